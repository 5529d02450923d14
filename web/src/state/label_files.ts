// Objects out of label files.

import { formatOf } from '../server/client.ts';
import type { ObjectBody } from '../server/openapi.ts';
import { t } from '../words/words.svelte.ts';
import { fromRecord, type StudioObject } from './objects.ts';
import type { Studio } from './studio.svelte.ts';

export class LabelFiles {
  constructor(private readonly studio: Studio) {}

  /** Reads a file as objects of the current picture. */
  async import(file: File): Promise<void> {
    const { notices, pictures, server } = this.studio;
    const { image } = pictures;
    if (!image) return notices.show(t('openHint'));
    try {
      const record: unknown = JSON.parse(await file.text());
      const format = formatOf(record);
      if (!format) return notices.show(t('importUnknown'), true);
      this.add(await server.import(image.id, format, record));
    } catch (error) {
      this.studio.complain(error);
    }
  }

  private add(records: readonly ObjectBody[]): void {
    const { classes, notices, objects } = this.studio;
    const made: StudioObject[] = [];
    for (const record of records) {
      const colour = record.label ? classes.colourOf(record.label) : record.colour;
      made.push(fromRecord({ ...record, colour }, [...objects.all, ...made], t('object')));
    }
    objects.add(made);
    notices.show(t('importDone', { count: made.length }));
  }
}
