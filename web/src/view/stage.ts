// The canvas: it draws picture, masks and marks, and turns pointers, wheel and keys into what tools understand.

import { clamp, type Size, type XY } from '../geometry.ts';
import { type Handle, handleAt, handlesOf, moved, without } from '../prompts/handles.ts';
import type { Prompt } from '../prompts/types.ts';
import type { Studio, ToolName } from '../state/studio.svelte.ts';
import { SNAP_PIXELS, snapTo } from '../tools/snapping.ts';
import { type Hand, outlinesInSight, type Tool } from '../tools/tool.ts';
import { makeTools } from '../tools/tools.ts';
import { type Camera, fitCamera, LITTLE_ROOM, panBy, ROOM, toPicture, toScreen, zoomAt } from './camera.ts';
import { drawHandles, drawPrompts } from './marks.ts';
import { Overlay, type OverlayState, pathOfRings } from './overlay.ts';
import type { Pyramid } from './pyramid.ts';

const TAP_PIXELS = 5;
const LONG_PRESS_MS = 550;
const REST_MS = 140;
const SHORT_MS = 300;
/** A handle is taken from so near, in CSS pixels. */
const GRIP_PIXELS = 9;

interface Press {
  readonly start: XY;
  readonly touch: boolean;
  readonly pans: boolean;
  moved: boolean;
  negative: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Stage {
  private readonly context: CanvasRenderingContext2D;
  private readonly tools: Record<ToolName, Tool>;
  private readonly overlay = new Overlay();
  private readonly pointers = new Map<number, XY>();
  private view: Size = { width: 1, height: 1 };
  private room = ROOM;
  private camera: Camera = { scale: 1, x: 0, y: 0 };
  private picture: Pyramid | null = null;
  private overlayState: OverlayState | null = null;
  private press: Press | null = null;
  private pinch: { middle: XY; distance: number } | null = null;
  private frame = 0;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private moving = false;
  private held = false;
  private cursor: XY | null = null;
  private keyDragging = false;
  private pointer: XY | null = null;
  /** A handle of a prompt that is being moved, and the prompts as they would be. */
  private grip: { handle: Handle; prompts: readonly Prompt[] } | null = null;
  private spaceDown = 0;
  /** Told where the pointer is, in CSS pixels of the canvas; null when it is not there or busy. */
  onpointer: (at: XY | null) => void = () => undefined;
  /** Told after every change of the zoom. */
  onzoom: (scale: number) => void = () => undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly studio: Studio,
  ) {
    this.context = canvas.getContext('2d', { alpha: false })!;
    this.tools = makeTools(studio);
  }

  get tool(): Tool {
    return this.tools[this.studio.tool];
  }

  resize(view: Size): void {
    const ratio = devicePixelRatio;
    const wasFit = this.picture && sameCamera(this.camera, this.fitted(this.picture));
    this.view = view;
    this.room = this.studio.compact ? LITTLE_ROOM : ROOM;
    this.canvas.width = Math.round(view.width * ratio);
    this.canvas.height = Math.round(view.height * ratio);
    if (wasFit) this.fit();
    this.redraw();
  }

  show(picture: Pyramid | null): void {
    if (picture === this.picture) return;
    this.picture = picture;
    this.cursor = null;
    for (const tool of Object.values(this.tools)) tool.cancel();
    this.fit();
  }

  /** Another tool was taken up: what was begun with the others is forgotten. */
  takeUp(): void {
    for (const tool of Object.values(this.tools)) if (tool !== this.tool) tool.cancel();
  }

  /** Redraws with the masks as they are now. */
  update(state: OverlayState): void {
    this.overlayState = state;
    this.redraw();
  }

  redraw(): void {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  fit(): void {
    if (this.picture) this.look(this.fitted(this.picture));
  }

  private fitted({ size }: Pyramid): Camera {
    return fitCamera(size, this.view, this.room);
  }

  zoom(factor: number, at: XY = [this.view.width / 2, this.view.height / 2]): void {
    if (this.picture) this.look(zoomAt(this.camera, at, factor, this.picture.size, this.view));
  }

  private pan(dx: number, dy: number): void {
    if (this.picture) this.look(panBy(this.camera, dx, dy, this.picture.size, this.view));
  }

  private look(camera: Camera): void {
    this.camera = camera;
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this.redraw();
    }, REST_MS);
    this.onzoom(camera.scale);
    this.redraw();
  }

  // Drawing

  private draw(): void {
    this.frame = 0;
    const { context, camera, view } = this;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = getComputedStyle(this.canvas).getPropertyValue('--stage').trim() || '#888';
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.picture) return;
    this.picture.draw(context, camera, ratio);
    if (this.overlayState) this.overlay.draw(context, camera, view, ratio, this.overlayState, this.moving);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawPreview();
    const active = this.studio.objects.active;
    const prompts = this.grip?.prompts ?? active?.prompts;
    if (active?.visible && prompts) {
      drawPrompts(context, prompts, camera);
      if (this.takesHandles) drawHandles(context, handlesOf(prompts), camera);
    }
    this.drawPending();
    this.tool.draw(context, { camera, studio: this.studio });
    if (this.cursor && document.activeElement === this.canvas) this.drawCursor(toScreen(camera, this.cursor));
  }

  /** What was asked is marked at once, before it is answered. */
  private drawPending(): void {
    const { changes, dialogue } = this.studio;
    for (const { picture, prompts } of dialogue.pending)
      if (picture === changes.picture) drawPrompts(this.context, prompts, this.camera);
  }

  private drawPreview(): void {
    const { preview } = this.studio.previews;
    const { active } = this.studio.objects;
    if (!preview) return;
    const { context, camera } = this;
    const path = pathOfRings(preview.rings);
    const whole = new Path2D();
    whole.addPath(path, new DOMMatrix([camera.scale, 0, 0, camera.scale, camera.x, camera.y]));
    if (!active) {
      context.fillStyle = 'rgb(64 156 255 / 0.35)';
      context.fill(whole, 'evenodd');
    }
    context.lineJoin = 'round';
    context.strokeStyle = 'rgb(0 0 0 / 0.45)';
    context.lineWidth = 3.5;
    context.stroke(whole);
    context.strokeStyle = preview.positive ? '#fff' : '#ffb4b4';
    context.lineWidth = 1.75;
    if (active) context.setLineDash([6, 4]);
    context.stroke(whole);
    context.setLineDash([]);
  }

  private drawCursor([x, y]: XY): void {
    const { context } = this;
    for (const [colour, width] of [
      ['rgb(0 0 0 / 0.7)', 4],
      ['#fff', 2],
    ] as const) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x - 14, y);
      context.lineTo(x + 14, y);
      context.moveTo(x, y - 14);
      context.lineTo(x, y + 14);
      context.stroke();
    }
  }

  // Pointers

  private placeOf(event: PointerEvent | WheelEvent): XY {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private handOf(event: PointerEvent, negative = false): Hand {
    const inverted = event.altKey || negative || (event.buttons & 2) !== 0 || event.button === 2;
    return {
      at: toPicture(this.camera, this.placeOf(event)),
      positive: this.studio.positive !== inverted,
      shift: event.shiftKey,
      touch: event.pointerType === 'touch',
    };
  }

  pointerDown(event: PointerEvent): void {
    if (!this.picture) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.placeOf(event));
    this.cursor = null;
    if (this.pointers.size === 2) return this.beginPinch();
    if (this.pointers.size > 2) return;
    if (this.takeGrip(event)) return;
    this.onpointer(null);
    const pans = event.button === 1 || this.held || !this.tool.drags;
    const press: Press = {
      start: this.placeOf(event),
      touch: event.pointerType === 'touch',
      pans,
      moved: false,
      negative: event.button === 2,
      timer: undefined,
    };
    if (press.touch && pans) {
      press.timer = setTimeout(() => {
        press.negative = true;
        navigator.vibrate?.(15);
      }, LONG_PRESS_MS);
    }
    this.press = press;
    if (!pans) this.tool.down(this.handOf(event));
    this.redraw();
  }

  /** Prompts of the active object can be moved with the tools that make them. */
  private get takesHandles(): boolean {
    return ['select', 'point', 'box', 'polygon'].includes(this.studio.tool) && this.studio.draft === null;
  }

  private handleUnder(event: PointerEvent): Handle | null {
    const { active } = this.studio.objects;
    if (!active?.visible || !this.takesHandles || this.held) return null;
    const reach = (event.pointerType === 'touch' ? 18 : GRIP_PIXELS) / this.camera.scale;
    return handleAt(handlesOf(active.prompts), toPicture(this.camera, this.placeOf(event)), reach);
  }

  /** Takes the handle under the pointer: it will be moved, or, with Alt or the right button, left out. */
  private takeGrip(event: PointerEvent): boolean {
    const handle = event.button === 1 ? null : this.handleUnder(event);
    if (!handle) return false;
    const { dialogue, objects } = this.studio;
    const { prompts } = objects.active!;
    if (event.altKey || event.button === 2) {
      const rest = handle.kind === 'vertex' || handle.kind === 'point' ? without(prompts, handle) : null;
      if (rest) dialogue.replace(rest);
      return rest !== null;
    }
    this.grip = { handle, prompts };
    const start = this.placeOf(event);
    this.press = {
      start,
      touch: event.pointerType === 'touch',
      pans: false,
      moved: false,
      negative: false,
      timer: undefined,
    };
    return true;
  }

  private moveGrip(event: PointerEvent): void {
    const { active } = this.studio.objects;
    const { picture, grip } = this;
    if (!active || !picture || !grip) return;
    const at = toPicture(this.camera, this.placeOf(event));
    const [x, y] = this.snapped(grip.handle, at, event.shiftKey);
    const to: XY = [clamp(x, 0, picture.size.width - 0.5), clamp(y, 0, picture.size.height - 0.5)];
    this.grip = { handle: grip.handle, prompts: moved(active.prompts, grip.handle, to) };
  }

  /** Vertices and corners snap to outlines of other objects and to the border; with Shift they do not. */
  private snapped({ kind }: Handle, at: XY, free: boolean): XY {
    if (free || kind === 'point') return at;
    const rings = outlinesInSight(this.studio, this.studio.objects.active?.id);
    return snapTo(rings, at, SNAP_PIXELS / this.camera.scale)?.at ?? at;
  }

  /** What was moved is asked anew; a handle that was only pressed is a click there. */
  private dropGrip(press: Press, event: PointerEvent): void {
    const { prompts } = this.grip!;
    this.grip = null;
    if (press.moved) this.studio.dialogue.replace(prompts);
    else if (!this.tool.drags) this.tool.tap(this.handOf(event));
  }

  /** Where a pixel of the picture is on the canvas, in CSS pixels. */
  onScreen(place: XY): XY {
    return toScreen(this.camera, place);
  }

  private beginPinch(): void {
    this.grip = null;
    clearTimeout(this.press?.timer);
    this.press = null;
    this.tool.cancel();
    this.pinch = this.measure();
  }

  private measure(): { middle: XY; distance: number } {
    const [[ax, ay], [bx, by]] = [...this.pointers.values()];
    return { middle: [(ax + bx) / 2, (ay + by) / 2], distance: Math.hypot(ax - bx, ay - by) };
  }

  pointerMove(event: PointerEvent): void {
    if (!this.picture) return;
    const place = this.placeOf(event);
    const before = this.pointers.get(event.pointerId);
    if (before) this.pointers.set(event.pointerId, place);
    if (this.pinch && this.pointers.size === 2) return this.movePinch();
    const { press } = this;
    if (!press) {
      this.pointer = event.pointerType === 'touch' ? null : place;
      this.onpointer(this.pointer);
      if (this.pointer && !this.held) this.tool.hover(this.handOf(event));
      // While a picture is prepared, frames would only slow that down. Later they go on with the mouse: a page
      // that has gone idle shows a mask some 40 ms later (measured in Chromium).
      if (this.tool.follows || this.studio.decoding.ready) this.redraw();
      return;
    }
    if (!press.moved && Math.hypot(place[0] - press.start[0], place[1] - press.start[1]) < TAP_PIXELS) return;
    press.moved = true;
    clearTimeout(press.timer);
    if (this.grip) this.moveGrip(event);
    else if (press.pans) this.pan(place[0] - before![0], place[1] - before![1]);
    else for (const part of coalesced(event)) this.tool.move(this.handOf(part));
    this.redraw();
  }

  private movePinch(): void {
    const [now, then] = [this.measure(), this.pinch!];
    this.pinch = now;
    this.pan(now.middle[0] - then.middle[0], now.middle[1] - then.middle[1]);
    if (then.distance > 0) this.zoom(now.distance / then.distance, now.middle);
  }

  pointerUp(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size < 2) this.pinch = null;
    const { press } = this;
    this.press = null;
    clearTimeout(press?.timer);
    if (press && this.grip) this.dropGrip(press, event);
    else this.endPress(press, event);
    this.redraw();
  }

  private endPress(press: Press | null, event: PointerEvent): void {
    if (!press || event.button === 1 || (this.held && press.pans)) return;
    const hand = this.handOf(event, press.negative);
    if (!press.pans) this.tool.up(hand);
    else if (!press.moved) this.tool.tap(hand);
  }

  pointerCancel(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    this.press = null;
    this.pinch = null;
    this.grip = null;
    this.tool.cancel();
    this.redraw();
  }

  /** Tells the tool of a pointer that rests over a picture which has just become ready. */
  lookAgain(): void {
    if (!this.pointer || !this.picture) return;
    const at = toPicture(this.camera, this.pointer);
    this.tool.hover({ at, positive: this.studio.positive, shift: false, touch: false });
  }

  pointerLeave(): void {
    this.pointer = null;
    this.onpointer(null);
    this.tool.leave();
    this.redraw();
  }

  wheel(event: WheelEvent): void {
    event.preventDefault();
    // A wheel and a pinch on a touchpad zoom; two fingers on a touchpad (fine steps, sideways too) and Shift move.
    const fine = event.deltaMode === 0 && !event.ctrlKey && (event.deltaX !== 0 || event.shiftKey);
    if (fine) return this.pan(-event.deltaX || -event.deltaY, event.deltaX ? -event.deltaY : 0);
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.altKey && (this.studio.tool === 'brush' || this.studio.tool === 'eraser'))
      return this.studio.sizeBrush(Math.exp(-clamp(event.deltaY * lines, -240, 240) * 0.002));
    this.zoom(
      Math.exp(-clamp(event.deltaY * lines, -240, 240) * (event.ctrlKey ? 0.01 : 0.0018)),
      this.placeOf(event),
    );
  }

  // Keys on the canvas

  /** Returns whether the key was used. */
  keyDown(event: KeyboardEvent): boolean {
    if (event.key === ' ') {
      if (!event.repeat) this.spaceDown = performance.now();
      this.held = true;
      return true;
    }
    if (this.tool.key(event.key)) return this.used();
    if (event.key === 'Escape') {
      this.tool.cancel();
      this.keyDragging = false;
      return this.used(false);
    }
    if (event.ctrlKey || event.metaKey) return false;
    const step = event.altKey ? 1 : 12;
    const ways: Record<string, XY> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const way = ways[event.key];
    if (way) return this.moveCursor(way[0] * step, way[1] * step, event.shiftKey);
    if (event.key === 'Enter' && this.cursor) return this.pressCursor(event.shiftKey);
    return false;
  }

  keyUp(event: KeyboardEvent): void {
    if (event.key !== ' ') return;
    this.held = false;
    // Held, Space moves the picture; pressed for a moment, it goes to the next suggestion.
    const { suggestions } = this.studio;
    if (performance.now() - this.spaceDown < SHORT_MS && suggestions.list.length > 0) suggestions.next();
  }

  private used(result = true): boolean {
    this.redraw();
    return result;
  }

  private cursorHand(negative: boolean): Hand {
    return { at: this.cursor!, positive: this.studio.positive !== negative, shift: false, touch: false };
  }

  private moveCursor(dx: number, dy: number, negative: boolean): boolean {
    const { picture, camera, view } = this;
    if (!picture) return false;
    const from = this.cursor ? toScreen(camera, this.cursor) : ([view.width / 2, view.height / 2] as const);
    const to = toPicture(camera, this.cursor ? [from[0] + dx, from[1] + dy] : from);
    this.cursor = [clamp(to[0], 0, picture.size.width), clamp(to[1], 0, picture.size.height)];
    const hand = this.cursorHand(negative);
    this.tool.hover(hand);
    if (this.keyDragging) this.tool.move(hand);
    return this.used();
  }

  /** Enter taps; with tools that drag, the first Enter begins and the second ends. */
  private pressCursor(negative: boolean): boolean {
    const hand = this.cursorHand(negative);
    if (!this.tool.drags) this.tool.tap(hand);
    else if (this.keyDragging) this.tool.up(hand);
    else this.tool.down(hand);
    this.keyDragging = this.tool.drags && !this.keyDragging;
    return this.used();
  }
}

function coalesced(event: PointerEvent): PointerEvent[] {
  const parts = event.getCoalescedEvents?.() ?? [];
  return parts.length > 0 ? parts : [event];
}

function sameCamera(first: Camera, second: Camera): boolean {
  return (
    Math.abs(first.scale - second.scale) < 1e-9 &&
    Math.abs(first.x - second.x) < 1 &&
    Math.abs(first.y - second.y) < 1
  );
}
