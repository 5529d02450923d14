// The tools of the studio.

import { clamp, insidePicture, orderedBox, type XY } from '../geometry.ts';
import { boxOf, containsPixel, union } from '../masks/runs.ts';
import type { Draft, Studio, ToolName } from '../state/studio.svelte.ts';
import { toScreen } from '../view/camera.ts';
import { drawPolyline, NEGATIVE, POSITIVE, signColour } from '../view/marks.ts';
import { SNAP_PIXELS, type Snap, snapTo, wayBetween } from './snapping.ts';
import { type Hand, outlinesInSight, Tool, type View } from './tool.ts';

/** Moves the picture; for what is not done on the picture itself. */
class PanTool extends Tool {
  override get cursor(): string {
    return 'grab';
  }

  constructor(
    studio: Studio,
    readonly name: ToolName,
  ) {
    super(studio);
  }
}

/** Selects; with Alt, a click brings the selected masks there. */
class SelectTool extends Tool {
  readonly name = 'select';
  override get cursor(): string {
    return 'default';
  }

  private under([x, y]: XY): string | null {
    const hit = this.studio.objects.all.findLast(({ visible, mask }) => visible && containsPixel(mask, x, y));
    return hit?.id ?? null;
  }

  override hover(hand: Hand): void {
    this.studio.objects.pointed = this.under(hand.at);
  }

  override leave(): void {
    this.studio.objects.pointed = null;
  }

  override tap(hand: Hand): void {
    const { objects } = this.studio;
    if (!hand.positive && objects.chosen.length > 0) {
      const [x0, y0, x1, y1] = boxOf(objects.chosen.map(({ mask }) => mask).reduce(union));
      return objects.shift([hand.at[0] - (x0 + x1) / 2, hand.at[1] - (y0 + y1) / 2]);
    }
    const id = this.under(hand.at);
    if (id && hand.shift) this.studio.objects.toggleSelected(id);
    else this.studio.objects.activate(id);
  }
}

class PointTool extends Tool {
  readonly name = 'point';

  override hover({ at, positive }: Hand): void {
    const { image } = this.studio.pictures;
    this.studio.previews.look(image && insidePicture(at, image) ? at : null, positive);
  }

  override leave(): void {
    this.studio.previews.look(null);
  }

  override tap({ at: [x, y], positive }: Hand): void {
    const { image } = this.studio.pictures;
    if (image && insidePicture([x, y], image))
      this.studio.dialogue.prompt([{ type: 'point', x, y, positive }]);
  }
}

class BoxTool extends Tool {
  readonly name = 'box';
  override readonly drags = true;
  private corners: [XY, XY] | null = null;
  private positive = true;

  override down(hand: Hand): void {
    this.corners = [hand.at, hand.at];
    this.positive = hand.positive;
  }

  override move(hand: Hand): void {
    if (this.corners) this.corners = [this.corners[0], hand.at];
  }

  override up(): void {
    const { corners, studio } = this;
    this.corners = null;
    if (!corners || !studio.pictures.image) return;
    const { width, height } = studio.pictures.image;
    const [x0, y0, x1, y1] = orderedBox(corners[0], corners[1]);
    const box = [
      clamp(x0, 0, width),
      clamp(y0, 0, height),
      clamp(x1, 0, width),
      clamp(y1, 0, height),
    ] as const;
    if (box[2] - box[0] < 2 || box[3] - box[1] < 2) return;
    studio.dialogue.prompt([{ type: 'box', box, positive: this.positive }], this.positive);
  }

  override cancel(): void {
    this.corners = null;
  }

  override draw(context: CanvasRenderingContext2D, { camera }: View): void {
    if (!this.corners) return;
    const [x0, y0, x1, y1] = orderedBox(toScreen(camera, this.corners[0]), toScreen(camera, this.corners[1]));
    context.fillStyle = this.positive ? 'rgb(34 197 94 / 0.12)' : 'rgb(239 68 68 / 0.12)';
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    drawPolyline(
      context,
      [
        [x0, y0],
        [x1, y0],
        [x1, y1],
        [x0, y1],
      ],
      signColour(this.positive),
      2,
      true,
    );
  }
}

/** Within so many screen pixels of the first corner a click closes the polygon. */
const CLOSING = 12;
/** A second click at the last corner within so many milliseconds is a double click, which closes the polygon. */
const DOUBLE_MS = 500;

/** A corner of a polygon that is being drawn. */
interface Corner {
  readonly at: XY;
  /** The outline that it lies on. */
  readonly snap: Snap | null;
  /** Places between the corner before it and itself, where the edge follows an outline. */
  readonly way: readonly XY[];
}

class PolygonTool extends Tool implements Draft {
  override readonly follows = true;
  readonly name = 'polygon';
  private corners: readonly Corner[] = [];
  /** Corners that were taken back. */
  private undone: readonly Corner[] = [];
  private tapped = 0;
  private next: Corner | null = null;
  private positive = true;
  private scale = 1;

  override hover(hand: Hand): void {
    this.next = this.cornerAt(hand);
  }

  override leave(): void {
    this.next = null;
  }

  /** The corner that a click would make; with Shift it lies just there. */
  private cornerAt({ at, shift }: Hand): Corner {
    const reach = SNAP_PIXELS / this.scale;
    const snap = shift ? null : snapTo(outlinesInSight(this.studio), at, reach);
    return { at: snap?.at ?? at, snap, way: this.wayTo(snap) };
  }

  private wayTo(snap: Snap | null): XY[] {
    return wayBetween(this.corners.at(-1)?.snap ?? null, snap, 1 / this.scale);
  }

  override tap(hand: Hand): void {
    if (this.corners.length === 0) this.positive = hand.positive;
    const double = performance.now() - this.tapped < DOUBLE_MS && this.isNear(this.corners.at(-1)?.at, hand);
    this.tapped = performance.now();
    if (this.corners.length >= 3 && (double || this.isNear(this.corners[0].at, hand))) this.close();
    else if (!double) this.set([...this.corners, this.cornerAt(hand)]);
  }

  private isNear(corner: XY | undefined, { at: [x, y] }: Hand): boolean {
    return corner !== undefined && Math.hypot(corner[0] - x, corner[1] - y) * this.scale < CLOSING;
  }

  private set(corners: readonly Corner[], undone: readonly Corner[] = []): void {
    this.corners = corners;
    this.undone = undone;
    this.studio.draft = corners.length + undone.length > 0 ? this : null;
  }

  undo(): void {
    this.set(this.corners.slice(0, -1), [...this.undone, ...this.corners.slice(-1)]);
    if (this.corners.length === 0) this.set([]);
  }

  redo(): void {
    this.set([...this.corners, ...this.undone.slice(-1)], this.undone.slice(0, -1));
  }

  private close(): void {
    const { corners } = this;
    const points = [...placesOf(corners), ...this.wayTo(corners[0].snap)];
    this.set([]);
    if (points.length >= 3)
      this.studio.dialogue.prompt([{ type: 'polygon', points, positive: this.positive }], this.positive);
  }

  override key(key: string): boolean {
    if (this.corners.length === 0) return false;
    if (key === 'Enter') this.close();
    else if (key === 'Backspace') this.undo();
    else if (key === 'Escape') this.cancel();
    else return false;
    return true;
  }

  override cancel(): void {
    if (this.corners.length > 0) this.set([]);
  }

  override draw(context: CanvasRenderingContext2D, { camera }: View): void {
    this.scale = camera.scale;
    if (this.corners.length === 0 && !this.next?.snap) return;
    const line = placesOf([...this.corners, ...(this.next ? [this.next] : [])]).map((place) =>
      toScreen(camera, place),
    );
    context.fillStyle = this.positive ? 'rgb(34 197 94 / 0.12)' : 'rgb(239 68 68 / 0.12)';
    context.beginPath();
    for (const [x, y] of line) context.lineTo(x, y);
    context.fill();
    drawPolyline(context, line, signColour(this.positive), 2, false);
    const dots = [...this.corners, ...(this.next?.snap ? [this.next] : [])];
    for (const [x, y] of dots.map((corner) => toScreen(camera, corner.at))) {
      context.beginPath();
      context.arc(x, y, 4, 0, 7);
      context.fillStyle = '#fff';
      context.fill();
      context.strokeStyle = signColour(this.positive);
      context.lineWidth = 2;
      context.stroke();
    }
  }
}

function placesOf(corners: readonly Corner[]): XY[] {
  return corners.flatMap(({ at, way }) => [...way, at]);
}

/** Strokes of the scribble, the brush and the eraser. */
class StrokeTool extends Tool {
  override readonly follows = true;
  override readonly drags = true;
  private stroke: XY[] = [];
  private positive = true;
  private at: XY | null = null;
  private scale = 1;

  constructor(
    studio: Studio,
    readonly name: 'scribble' | 'brush' | 'eraser',
  ) {
    super(studio);
  }

  override get cursor(): string {
    return this.name === 'scribble' ? 'crosshair' : 'none';
  }

  private get width(): number {
    return this.name === 'scribble' ? 10 : this.studio.brush;
  }

  private get adds(): boolean {
    return this.name === 'eraser' ? !this.positive : this.positive;
  }

  override hover(hand: Hand): void {
    this.at = hand.at;
  }

  override leave(): void {
    this.at = null;
  }

  override down(hand: Hand): void {
    this.positive = hand.positive;
    this.stroke = [hand.at];
  }

  override move(hand: Hand): void {
    this.at = hand.at;
    if (this.stroke.length > 0) this.stroke.push(hand.at);
  }

  override up(): void {
    const { stroke: points, studio } = this;
    this.stroke = [];
    if (points.length === 0) return;
    const width = this.width / this.scale;
    if (this.name !== 'scribble') studio.objects.paint(points, width, !this.adds);
    else studio.dialogue.prompt([{ type: 'scribble', points, width, positive: this.positive }]);
  }

  override cancel(): void {
    this.stroke = [];
  }

  override draw(context: CanvasRenderingContext2D, { camera, studio }: View): void {
    this.scale = camera.scale;
    const colour =
      this.name === 'scribble' ? signColour(this.positive) : (studio.objects.active?.colour ?? POSITIVE);
    context.globalAlpha = 0.6;
    const line = this.stroke.map((place) => toScreen(camera, place));
    if (line.length > 0) drawPolyline(context, line, this.adds ? colour : NEGATIVE, this.width, false, false);
    context.globalAlpha = 1;
    if (!this.at || this.name === 'scribble') return;
    const [x, y] = toScreen(camera, this.at);
    for (const [colour_, width] of [
      ['rgb(0 0 0 / 0.6)', 3],
      ['#fff', 1.5],
    ] as const) {
      context.beginPath();
      context.arc(x, y, this.width / 2, 0, 7);
      context.strokeStyle = colour_;
      context.lineWidth = width;
      context.stroke();
    }
  }
}

export function makeTools(studio: Studio): Record<ToolName, Tool> {
  return {
    select: new SelectTool(studio),
    point: new PointTool(studio),
    box: new BoxTool(studio),
    polygon: new PolygonTool(studio),
    scribble: new StrokeTool(studio, 'scribble'),
    brush: new StrokeTool(studio, 'brush'),
    eraser: new StrokeTool(studio, 'eraser'),
    text: new PanTool(studio, 'text'),
    reference: new PanTool(studio, 'reference'),
    everything: new PanTool(studio, 'everything'),
  };
}
