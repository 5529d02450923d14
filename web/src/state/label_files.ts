// Objects out of label files.

import { formatOf } from '../server/client.ts';
import type { ObjectBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { fromRecord, type StudioObject, UNLABELLED } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export class LabelFiles {
  constructor(private readonly studio: Studio) {}

  /** Reads a file as objects of the current picture. */
  async import(file: File): Promise<void> {
    const { notices, pictures, server } = this.studio;
    const { image } = pictures;
    if (!image) return notices.show(t('openHint'));
    try {
      const text = await file.text(); // without its byte order mark
      const record: unknown = /\.txt$/i.test(file.name) ? { text } : JSON.parse(text);
      const format = formatOf(record);
      if (!format) return notices.show(t('importUnknown'), true);
      const { objects, notes } = await server.import(image.id, format, record);
      await this.studio.changes.deskOf(image.id);
      this.add(image.id, objects);
      for (const note of notes) notices.show(note);
    } catch (error) {
      this.studio.complain(error);
    }
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
