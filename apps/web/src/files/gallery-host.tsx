import type { ConversationState } from '@parley/client';
import { kindOf, useFormats, useSnapshot } from '@parley/react';
import { Gallery, type GalleryItem } from '@parley/react/gallery';

interface GalleryHostProps {
  readonly state: ConversationState;
  readonly startId: string;
  readonly onClose: () => void;
}

/** The pictures of a conversation that are loaded, in their order. */
export function GalleryHost({ state, startId, onClose }: GalleryHostProps) {
  const formats = useFormats();
  const users = useSnapshot((snapshot) => snapshot.users);
  const items = state.timeline.flatMap((item): GalleryItem[] => {
    if (item.kind !== 'message') return [];
    const { senderId, createdAt, attachments } = item.message;
    const caption = [users[senderId]?.name, formats.full(createdAt)].filter(Boolean).join(' · ');
    return attachments.filter((one) => kindOf(one) === 'picture').map((attachment) => ({ attachment, caption }));
  });
  return <Gallery items={items} startId={startId} onClose={onClose} />;
}
