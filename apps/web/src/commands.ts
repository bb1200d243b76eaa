import type { ConversationHandle, ConversationState } from '@parley/client';
import type { AppTexts } from './texts/app-texts.ts';
import type { MenuItem } from './ui/menu.tsx';

const HOUR_MS = 3_600_000;
/** Far enough away to mean "until I say so". */
const FOR_EVER = '9999-12-31T00:00:00.000Z';

/** Whether a conversation is muted now. */
export function isMuted({ conversation: { me } }: ConversationState): boolean {
  return me?.mutedUntil != null && Date.parse(me.mutedUntil) > Date.now();
}

/** How long one may mute for. */
export function muteChoices(handle: ConversationHandle, texts: AppTexts): readonly MenuItem[] {
  const mute = (mutedUntil: string) => () => void handle.settings({ mutedUntil });
  const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString();
  return [
    { label: texts.forOneHour, onSelect: mute(inHours(1)) },
    { label: texts.forEightHours, onSelect: mute(inHours(8)) },
    { label: texts.forOneWeek, onSelect: mute(inHours(24 * 7)) },
    { label: texts.untilUnmuted, onSelect: mute(FOR_EVER) },
  ];
}
