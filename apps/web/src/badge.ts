import type { UnreadTotals } from '@parley/client';
import { useUnread } from '@parley/react';
import { useEffect } from 'react';

/** The number of unread messages in the tab's title and icon, and on the installed app. */
export function useBadge(place: string | null): void {
  const unread = useUnread();
  useEffect(() => {
    document.title = titleFor(unread, place);
    drawIcon(unread);
    if ('setAppBadge' in navigator) {
      // Refused where the app is not installed: then there is nothing to put a badge on.
      void (unread.messages > 0 ? navigator.setAppBadge(unread.messages) : navigator.clearAppBadge()).catch(() => {});
    }
  }, [unread, place]);
  useEffect(
    () => () => {
      document.title = 'Parley';
      drawIcon({ messages: 0, conversations: 0, mentions: 0 });
    },
    [],
  );
}

function titleFor({ messages }: UnreadTotals, place: string | null): string {
  const name = place ? `${place} · Parley` : 'Parley';
  return messages > 0 ? `(${messages > 99 ? '99+' : messages}) ${name}` : name;
}

/** The icon with a dot: red where one was mentioned. */
function drawIcon({ messages, mentions }: UnreadTotals): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  if (messages === 0) {
    link.href = '/icon.svg';
    return;
  }
  const dot = mentions > 0 ? '#d92d20' : '#f5a524';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="16" fill="#4a4ec6"/><path d="M17 12h24a7 7 0 0 1 7 7v14a7 7 0 0 1-7 7H28l-9 8v-8h-2a7 7 0 0 1-7-7V19a7 7 0 0 1 7-7z" fill="#fff"/><circle cx="47" cy="47" r="15" fill="${dot}" stroke="#fff" stroke-width="4"/></svg>`;
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
