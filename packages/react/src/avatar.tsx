import { useState } from 'react';
import { classNames } from './class-names.ts';

/** What `Avatar` takes. */
export interface AvatarProps {
  /** Initials and colour come from it. */
  readonly name: string;
  /** Decides the colour where names may change; the name by default. */
  readonly id?: string;
  readonly src?: string | null | undefined;
  /** In pixels. */
  readonly size?: number;
  /** A dot at its corner; nothing where presence is unknown. */
  readonly presence?: 'online' | 'away' | 'offline' | undefined;
  readonly square?: boolean;
  readonly className?: string;
}

/** Colours an avatar may have, each dark enough for white initials (4.5:1) on either theme. */
const COLOURS = 8;

/**
 * A person's or conversation's picture, or initials on a colour of their own. Decoration: the name stands beside it, so
 * screen readers skip it.
 */
export function Avatar({ name, id = name, src, size = 40, presence, square, className }: AvatarProps) {
  const [broken, setBroken] = useState<string | null>(null);
  const picture = src && src !== broken ? src : null;
  return (
    <span
      aria-hidden="true"
      className={classNames('parley-avatar', square && 'parley-avatar-square', className)}
      data-colour={hash(id) % COLOURS}
      style={{ inlineSize: size, blockSize: size, fontSize: Math.round(size * 0.38) }}
    >
      {picture ? (
        <img alt="" src={picture} loading="lazy" referrerPolicy="no-referrer" onError={() => setBroken(picture)} />
      ) : (
        initialsOf(name)
      )}
      {presence && <span className="parley-presence" data-presence={presence} />}
    </span>
  );
}

/** One or two letters that stand for a name. */
export function initialsOf(name: string): string {
  const words = name
    .trim()
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => word?.match(/[\p{L}\p{N}]/u)?.[0] ?? '',
  );
  return letters.join('').toLocaleUpperCase();
}

/** FNV-1a: spreads similar names over all colours. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}
