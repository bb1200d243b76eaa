import { v7 } from 'uuid';

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a string can be an id of ours at all. One that cannot names nothing. */
export function isUuid(text: string): boolean {
  return uuidForm.test(text);
}

/** A new id: UUIDv7 (ORD-3). */
export function newId(): string {
  return v7();
}
