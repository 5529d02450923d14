// Every request to the server goes through here.

import type { XY } from '../geometry.ts';
import type { Granularity, Prompt } from '../prompts/types.ts';
import type {
  ClassBody,
  ClassesBody,
  ClassNames,
  DataSetRead,
  DataSetRequest,
  ErrorBody,
  EverythingRequest,
  HeardBody,
  ImageBody,
  ImageList,
  ImportedBody,
  LabelAllRequest,
  MaskBody,
  MasksBody,
  ModelsBody,
  ObjectBody,
  PanopticRequest,
  PutObjects,
  paths,
  ReviewRequest,
  RunBody,
  RunsBody,
  Segmentation,
  SegmentRequest,
  StatisticsBody,
  StoredObjectsBody,
  UploadedBody,
  VersionBody,
} from './openapi.ts';

type Query<Path extends keyof paths> = paths[Path] extends { post: { parameters: { query?: infer Q } } }
  ? Q
  : never;
export type ExportFormat = Query<'/v1/images/{image}/export'>['format'];
export type CocoForm = NonNullable<Query<'/v1/images/{image}/export'>['coco']>;
/** The rows of the server's table of formats, in its order. */
export {
  dataSetRequestFormatValues as DATA_SET_FORMATS,
  imageBodyStateValues as PICTURE_STATES,
  pathsV1ImagesImageExportPostParametersQueryCocoValues as COCO_FORMS,
  pathsV1ImagesImageExportPostParametersQueryFormatValues as EXPORT_FORMATS,
} from './openapi.ts';
/** Formats of data sets; the first ones are laid out over many pictures. */
export type DataSetFormat = DataSetRequest['format'];
/** How far the work on a picture is. */
export type PictureState = ImageBody['state'];
export type ImportFormat = Query<'/v1/images/{image}/import'>['format'];

/** A request without what the server has a default for. */
type Wanted<T> = { readonly [Key in keyof T]?: T[Key] extends object ? Wanted<T[Key]> : T[Key] };

/** A mask with its run lengths, the form that the studio asks for. */
export type FoundMask = MaskBody & { readonly segmentation: Segmentation };
export type FoundMasks = Omit<MasksBody, 'masks'> & { readonly masks: readonly FoundMask[] };

/** A mask of a search for everything, with the points that it was found with. */
export type SearchedMask = FoundMask & { readonly points: readonly XY[] };

/** A line of a search for everything, which OpenAPI has no word for. */
export type StreamLine =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'masks'; readonly masks: readonly SearchedMask[] }
  /** Cut: it was ended early. */
  | { readonly type: 'done'; readonly count: number; readonly cut?: boolean }
  | ({ readonly type: 'error' } & ErrorBody);

/** The server answered with an error; its message is written for people. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }
}

/** The server could not be reached. */
export class OfflineError extends Error {}

const TOKEN = 'promptseg.token';

/** Takes the token out of the address, so that it is not bookmarked or shared with it. */
export function tokenOfAddress(): string | null {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (match) {
    sessionStorage.setItem(TOKEN, decodeURIComponent(match[1]));
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN);
}

const BUSY_TRIES = 4;

export class Server {
  /** Told when the server could not be reached and what was kept of it answered instead. */
  onkept: () => void = () => undefined;
  /** Who works here, as the history and the statistics are to say. */
  annotator = '';

  constructor(private readonly token: string | null) {}

  headers(): Record<string, string> {
    return {
      ...(this.token && { Authorization: `Bearer ${this.token}` }),
      ...(this.annotator && { 'X-Promptseg-Annotator': encodeURIComponent(this.annotator) }),
    };
  }

  async send(path: string, init: RequestInit = {}): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.once(path, init);
      if (response.ok || response.status === 304) return response;
      if (response.status === 503 && attempt < BUSY_TRIES && !init.signal?.aborted) {
        const seconds = Number(response.headers.get('Retry-After') ?? 1);
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(5, seconds)));
        continue;
      }
      throw await errorOf(response);
    }
  }

  private async once(path: string, init: RequestInit): Promise<Response> {
    try {
      const response = await fetch(path, { ...init, headers: { ...this.headers(), ...init.headers } });
      if (response.headers.has('X-Promptseg-Kept')) this.onkept();
      return response;
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new OfflineError(String(error));
    }
  }

  private async json<T>(path: string, method: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const content =
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    const response = await this.send(path, { method, signal, ...content });
    return response.status === 204 ? (undefined as T) : (response.json() as Promise<T>);
  }

  models(): Promise<ModelsBody> {
    return this.json('/v1/models', 'GET');
  }

  async images(): Promise<readonly ImageBody[]> {
    return (await this.json<ImageList>('/v1/images', 'GET')).images;
  }

  async upload(file: Blob, name: string): Promise<UploadedBody> {
    const query = new URLSearchParams({ name, embed: 'true' });
    const headers = {
      'Content-Type': file.type.startsWith('image/') ? file.type : 'application/octet-stream',
    };
    const response = await this.send(`/v1/images?${query}`, { method: 'POST', body: file, headers });
    return response.json() as Promise<UploadedBody>;
  }

  async remove(id: string): Promise<void> {
    await this.send(`/v1/images/${id}`, { method: 'DELETE' });
  }

  async picture(id: string): Promise<Blob> {
    return (await this.send(`/v1/images/${id}/file`)).blob();
  }

  /** Has a picture kept for a visit without the server. */
  keep(id: string): void {
    const url = new URL(`/v1/images/${id}/file`, location.origin).href;
    navigator.serviceWorker?.controller?.postMessage({ url, headers: this.headers() });
  }

  async thumbnail(id: string, side: number): Promise<Blob> {
    return (await this.send(`/v1/images/${id}/thumbnail?side=${side}`)).blob();
  }

  /** Masks of one object; `model` is left out for the server's default. */
  segment(
    id: string,
    prompts: readonly Prompt[],
    granularity: Granularity,
    model?: string,
    signal?: AbortSignal,
  ): Promise<FoundMasks> {
    const body: Partial<SegmentRequest> = { prompts: [prompts], granularity, model };
    return this.json(`/v1/images/${id}/segment`, 'POST', body, signal);
  }

  panoptic(id: string, model?: string, signal?: AbortSignal): Promise<FoundMasks> {
    const body: Partial<PanopticRequest> = { model };
    return this.json(`/v1/images/${id}/panoptic`, 'POST', body, signal);
  }

  /** Ends a search early; its stream goes on with what it has found, and ends. */
  async finishSearch(id: string, search: string): Promise<void> {
    await this.json(`/v1/images/${id}/everything/finish`, 'POST', { search });
  }

  async *everything(id: string, search: string, signal: AbortSignal): AsyncGenerator<StreamLine> {
    const body: Wanted<EverythingRequest> = { options: { mode: 'fast' }, format: 'rle', search };
    const response = await this.send(`/v1/images/${id}/everything`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
      signal,
    });
    let rest = '';
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line) yield JSON.parse(line) as StreamLine;
    }
    if (rest) yield JSON.parse(rest) as StreamLine;
  }

  /** The objects of a picture; those of the last visit, when the server is away. */
  objects(id: string): Promise<StoredObjectsBody> {
    return this.json(`/v1/images/${id}/objects`, 'GET');
  }

  /** The objects that the server has now, or null when they are still those of a version. */
  async objectsSince(id: string, version: number): Promise<StoredObjectsBody | null> {
    const headers = { 'If-None-Match': `"${version}"` };
    const response = await this.send(`/v1/images/${id}/objects`, { headers });
    return response.status === 304 ? null : (response.json() as Promise<StoredObjectsBody>);
  }

  /** Stores objects that were made from a version; a server that has another one refuses. */
  putObjects(id: string, version: number, objects: readonly ObjectBody[]): Promise<VersionBody> {
    const body: PutObjects = { image: id, base_version: version, objects };
    return this.json(`/v1/images/${id}/objects`, 'PUT', body);
  }

  async classes(): Promise<readonly ClassBody[]> {
    return (await this.json<ClassesBody>('/v1/classes', 'GET')).classes;
  }

  async putClasses(classes: readonly ClassBody[]): Promise<void> {
    await this.json('/v1/classes', 'PUT', { classes });
  }

  async export(
    id: string,
    format: ExportFormat,
    objects: readonly ObjectBody[],
    options: { readonly coco?: CocoForm; readonly tolerance?: number } = {},
  ): Promise<{ name: string; data: Blob }> {
    const query = new URLSearchParams({ format });
    for (const [name, value] of Object.entries(options)) query.set(name, String(value));
    const response = await this.send(`/v1/images/${id}/export?${query}`, {
      method: 'POST',
      body: JSON.stringify({ objects }),
      headers: { 'Content-Type': 'application/json' },
    });
    const name = fileName(response.headers.get('Content-Disposition') ?? '') ?? `${format}.bin`;
    return { name, data: await response.blob() };
  }

  /** Says how far the work on a picture is. */
  putReview(id: string, review: Wanted<ReviewRequest>): Promise<ImageBody> {
    return this.json(`/v1/images/${id}/review`, 'PUT', review);
  }

  statistics(): Promise<StatisticsBody> {
    return this.json('/v1/statistics', 'GET');
  }

  async runs(): Promise<readonly RunBody[]> {
    return (await this.json<RunsBody>('/v1/runs', 'GET')).runs;
  }

  beginRun(wanted: Wanted<LabelAllRequest>): Promise<RunBody> {
    return this.json('/v1/runs', 'POST', wanted);
  }

  changeRun(id: string, how: 'stop' | 'resume'): Promise<RunBody> {
    return this.json(`/v1/runs/${id}/${how}`, 'POST');
  }

  async exportMany(wanted: Wanted<DataSetRequest>): Promise<{ name: string; data: Blob }> {
    const response = await this.send('/v1/export', {
      method: 'POST',
      body: JSON.stringify(wanted),
      headers: { 'Content-Type': 'application/json' },
    });
    const name = fileName(response.headers.get('Content-Disposition') ?? '') ?? `${wanted.format}.zip`;
    return { name, data: await response.blob() };
  }

  /** Reads label files of many pictures: an archive, or one file. */
  async importMany(file: Blob, name: string): Promise<DataSetRead> {
    const response = await this.send(`/v1/import?${new URLSearchParams({ name })}`, {
      method: 'POST',
      body: file,
      headers: { 'Content-Type': 'application/octet-stream' },
    });
    return response.json() as Promise<DataSetRead>;
  }

  async classNames(text: string): Promise<readonly string[]> {
    const response = await this.send('/v1/classes/read', {
      method: 'POST',
      body: text,
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    });
    return ((await response.json()) as ClassNames).names;
  }

  /** Writes a recording down; a WAV file in base64. */
  hear(data: string): Promise<HeardBody> {
    return this.json('/v1/hear', 'POST', { file: { data } });
  }

  async import(id: string, format: ImportFormat, record: unknown): Promise<ImportedBody> {
    return this.json<ImportedBody>(`/v1/images/${id}/import?format=${format}`, 'POST', record);
  }
}

export function fileName(disposition: string): string | null {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition);
  if (encoded) return decodeURIComponent(encoded[1]);
  return /filename="([^"]+)"/i.exec(disposition)?.[1] ?? null;
}

async function errorOf(response: Response): Promise<ServerError> {
  try {
    const { error } = (await response.json()) as ErrorBody;
    return new ServerError(response.status, error.type, error.message);
  } catch {
    return new ServerError(response.status, 'Error', `${response.status} ${response.statusText}`);
  }
}

/** Which kind of label file a record is; null for others. */
export function formatOf(record: unknown): ImportFormat | null {
  if (typeof record !== 'object' || record === null) return null;
  if ('text' in record) return 'yolo';
  if ('shapes' in record) return 'labelme';
  if ('images' in record) return 'coco';
  return 'image' in record && 'annotations' in record ? 'sa1b' : null;
}
