import type { Page } from '@parley/protocol';
import { invalidField } from './app-error.ts';

/** An opaque cursor that holds a place in a list. */
export function encodeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The place in a cursor. One that is not of our making is a 400. */
export function decodeCursor<Place>(
  cursor: string | undefined,
  isPlace: (value: unknown) => value is Place,
): Place | undefined {
  if (cursor === undefined) return undefined;
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (isPlace(place)) return place;
  } catch {
    // Not JSON: as wrong as a wrong place.
  }
  throw invalidField('cursor', 'Is not a cursor of this list.');
}

/** A page of up to `limit` items out of a read of `limit + 1`; the one too many says that more follows. */
export function pageFrom<Item>(items: Item[], limit: number, placeOf: (last: Item) => unknown): Page<Item> {
  if (items.length <= limit) return { items, nextCursor: null };
  const page = items.slice(0, limit);
  return { items: page, nextCursor: encodeCursor(placeOf(page.at(-1)!)) };
}
