import { isCleanJson, type Page } from '@parley/protocol';
import { z } from 'zod';
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
    if (isStorable(place) && isPlace(place)) return place;
  } catch {
    // Not JSON: as wrong as a wrong place.
  }
  throw invalidField('cursor', 'Is not a cursor of this list.');
}

const time = z.iso.datetime({ offset: true });

/**
 * Whether the database can be asked with it at all. A cursor comes back from outside, and what JavaScript takes for a
 * time (`1`, `Mon, 25 Dec 1995`, the 30th of February) or for text (NUL) PostgreSQL may not.
 */
function isStorable(place: unknown): boolean {
  if (!isCleanJson(place)) return false;
  // Of its own: every array has a method of that name.
  const at =
    typeof place === 'object' && place !== null && Object.hasOwn(place, 'at')
      ? (place as { at: unknown }).at
      : undefined;
  return at === undefined || (time.safeParse(at).success && Date.parse(String(at)) >= 0);
}

/** A page of up to `limit` items out of a read of `limit + 1`; the one too many says that more follows. */
export function pageFrom<Item>(items: Item[], limit: number, placeOf: (last: Item) => unknown): Page<Item> {
  if (items.length <= limit) return { items, nextCursor: null };
  const page = items.slice(0, limit);
  return { items: page, nextCursor: encodeCursor(placeOf(page.at(-1)!)) };
}
