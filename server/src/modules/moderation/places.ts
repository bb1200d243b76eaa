import { isUuid } from '../../utils/ids.ts';

/** A place in a list that is ordered by time and id. */
export interface TimePlace {
  readonly at: string;
  readonly id: string;
}

export function isTimePlace(value: unknown): value is TimePlace {
  return (
    typeof value === 'object' &&
    value !== null &&
    'at' in value &&
    typeof value.at === 'string' &&
    !Number.isNaN(Date.parse(value.at)) &&
    'id' in value &&
    typeof value.id === 'string' &&
    isUuid(value.id)
  );
}
