import type { PresenceState } from '@parley/client';
import type { Formats } from '@parley/react';
import type { AppTexts } from './texts/app-texts.ts';

/** How somebody is, in words; nothing where nothing is known. */
export function presenceText(presence: PresenceState | undefined, texts: AppTexts, formats: Formats): string | null {
  switch (presence?.status) {
    case 'online':
      return texts.online;
    case 'away':
      return texts.away;
    case 'offline':
      return presence.lastSeenAt === null ? null : texts.lastSeen(formats.brief(presence.lastSeenAt));
    case undefined:
      return null;
  }
}
