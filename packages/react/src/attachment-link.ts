import type { AttachmentLink } from '@parley/client';
import { useCallback, useEffect, useState } from 'react';
import { useOptionalClient } from './provider.tsx';

/** What `useAttachmentLink` answers. */
export interface LinkState {
  /** Null until it is known. */
  readonly link: AttachmentLink | null;
  readonly failed: boolean;
  /** Asks again: for `onError` of whatever uses the address, which may have ended. */
  readonly retry: () => void;
}

const MOST_TRIES = 3;

/** Addresses of a file that an `<img>` or `<audio>` can use, asked for while the component is mounted. */
export function useAttachmentLink(id: string): LinkState {
  const client = useOptionalClient();
  const [state, setState] = useState<{ id: string; link: AttachmentLink | null; failed: boolean; tries: number }>({
    id,
    link: null,
    failed: false,
    tries: 0,
  });
  const current = state.id === id;
  const tries = current ? state.tries : 0;

  useEffect(() => {
    if (client === null) return;
    let wanted = true;
    client.attachmentLink(id).then(
      (link) => wanted && setState({ id, link, failed: false, tries }),
      () => wanted && setState({ id, link: null, failed: true, tries }),
    );
    return () => {
      wanted = false;
    };
  }, [client, id, tries]);

  return {
    link: current ? state.link : null,
    failed: current && state.failed,
    retry: useCallback(
      () => setState((before) => (before.tries < MOST_TRIES ? { ...before, tries: before.tries + 1 } : before)),
      [],
    ),
  };
}

/** Saves a file on the device. */
export function downloadFrom(link: AttachmentLink): void {
  const anchor = document.createElement('a');
  const address = new URL(link.url, location.href);
  address.searchParams.set('download', 'true');
  anchor.href = address.href;
  anchor.download = link.attachment.fileName;
  anchor.click();
}
