import { describe, expect, it } from 'vitest';
import { buildRows } from '../src/rows.ts';
import { gapOf, itemOf, messageOf } from './fixtures.ts';

const none = { userId: 'bob', unreadAfterSeq: null };

describe('rows of a thread', () => {
  it('groups messages of one author that are close together', () => {
    const rows = buildRows(
      [messageOf(1, 600), messageOf(2, 602), messageOf(3, 603, 'bob'), messageOf(4, 640, 'bob')].map(itemOf),
      none,
    );
    expect(rows.map(({ first, last }) => [first, last])).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [true, true],
    ]);
  });

  it('begins each day, and ends the group of the day before', () => {
    const rows = buildRows([messageOf(1, 1439), messageOf(2, 1441)].map(itemOf), none);
    expect(rows.map(({ day, first, last }) => [day !== null, first, last])).toEqual([
      [true, true, true],
      [true, true, true],
    ]);
  });

  it('marks the first unread message of somebody else, once', () => {
    const items = [messageOf(1, 1), messageOf(2, 2, 'bob'), messageOf(3, 3), messageOf(4, 4)].map(itemOf);
    expect(buildRows(items, { userId: 'bob', unreadAfterSeq: 1 }).map(({ unread }) => unread)).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it('leaves gaps at the ends to paging, and shows those between messages', () => {
    const items = [gapOf(1, 9), itemOf(messageOf(10, 1)), gapOf(11, 20), itemOf(messageOf(21, 2)), gapOf(22, 30)];
    expect(buildRows(items, none).map(({ key }) => key)).toEqual(['m10', 'gap-11', 'm21']);
  });

  it('keeps the identity of rows that did not change', () => {
    const items = [messageOf(1, 1), messageOf(2, 30)].map(itemOf);
    const before = buildRows(items, none);
    const after = buildRows([...items, itemOf(messageOf(3, 60))], { ...none, previous: before });
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
  });
});
