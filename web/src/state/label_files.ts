// Objects out of label files: one file of the picture on show, or a data set of many pictures.

import { formatOf } from '../server/client.ts';
import type { ObjectBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { fromRecord, type StudioObject, UNLABELLED } from './objects.ts';
import type { Studio } from './studio.svelte.ts';
import { zipOf } from './zip.ts';

/** Folders whose pictures are labels. */
const MASKS = /(^|\/)(SegmentationObject|SegmentationClass|instances|masks)\/[^/]+\.png$/i;

/** Where a file lay in the folder that was dropped or chosen. */
export function pathOfFile(file: File): string {
  return (file as File & { path?: string }).path ?? (file.webkitRelativePath || file.name);
}

export function isLabelFile(file: File): boolean {
  return /\.(json|txt|ya?ml|zip)$/i.test(file.name) || MASKS.test(pathOfFile(file));
}

export class LabelFiles {
  constructor(private readonly studio: Studio) {}

  /** Reads label files: one that speaks of the picture on show, or many of many. */
  async import(files: readonly File[]): Promise<void> {
    if (files.length === 0) return;
    try {
      const [file] = files;
      if (files.length === 1 && !(await ofMany(file))) return await this.importOne(file);
      const packed = files.map(async (one) => ({
        path: pathOfFile(one),
        content: new Uint8Array(await one.arrayBuffer()),
      }));
      await this.importMany(files.length === 1 ? file : zipOf(await Promise.all(packed)), file.name);
    } catch (error) {
      this.studio.complain(error);
    }
  }

  /** The server stores what it reads, and the desks bring it in as if somebody else had done it. */
  private async importMany(file: Blob, name: string): Promise<void> {
    const { changes, classes, notices, pictures, server } = this.studio;
    const { objects, pictures: count, images, notes } = await server.importMany(file, name);
    await pictures.refresh();
    classes.pull();
    for (const image of images) await changes.pull(image);
    for (const note of notes.slice(0, 2)) notices.show(note);
    notices.show(t('importedMany', { count: objects, pictures: t('pictureCount', { count }) }));
    if (pictures.current === null) pictures.openLast();
  }

  private async importOne(file: File): Promise<void> {
    const { notices, pictures, server } = this.studio;
    const { image } = pictures;
    if (!image) return notices.show(t('openHint'));
    const text = await file.text(); // without its byte order mark
    const record: unknown = /\.txt$/i.test(file.name) ? { text } : JSON.parse(text);
    const format = formatOf(record);
    if (!format) return notices.show(t('importUnknown'), true);
    const { objects, notes } = await server.import(image.id, format, record);
    await this.studio.changes.deskOf(image.id);
    this.add(image.id, objects);
    for (const note of notes) notices.show(note);
  }

  private add(picture: string, records: readonly ObjectBody[]): void {
    const { changes, classes, notices, objects } = this.studio;
    const others = changes.workOf(picture)?.objects ?? [];
    const made: StudioObject[] = [];
    const listed = new Set(classes.all.map(({ name }) => name));
    for (const record of records) {
      const label = record.label === UNLABELLED && !listed.has(UNLABELLED) ? null : record.label;
      const dressed = { ...record, label: null, ...classes.dress(label ?? null) };
      made.push(fromRecord(dressed, [...others, ...made], t('object')));
    }
    objects.add(picture, made);
    notices.show(t('importDone', { count: made.length }));
  }
}

/** Whether a file speaks of several pictures: an archive, or a COCO file of more than one. */
async function ofMany(file: File): Promise<boolean> {
  if (/\.zip$/i.test(file.name)) return true;
  if (!/\.json$/i.test(file.name)) return false;
  const record: unknown = JSON.parse(await file.text());
  const images = (record as { images?: unknown } | null)?.images;
  return Array.isArray(images) && images.length > 1;
}
