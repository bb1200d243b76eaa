import { thumbHashToDataURL } from 'thumbhash';

/** The address of a picture's blurred stand-in; undefined where there is none, or none that can be drawn. */
export function placeholderUrl(placeholder: string | undefined): string | undefined {
  if (placeholder === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(placeholder), (letter) => letter.charCodeAt(0));
    // Shorter ones have no colours in them.
    return bytes.length < 5 ? undefined : thumbHashToDataURL(bytes);
  } catch {
    return undefined;
  }
}
