import { Camera, FileUp, Paperclip } from 'lucide-react';
import { type RefObject, useRef, useState } from 'react';
import { useMedia } from '../media.ts';
import { useTexts } from '../texts/texts.tsx';
import { Menu } from '../ui/menu.tsx';

const ICON = 17;

/** Chooses files; on a device that is held in the hand it offers the camera too. */
export function AttachButton({ onFiles }: { readonly onFiles: (files: readonly File[]) => void }) {
  const texts = useTexts();
  const touch = useMedia('(hover: none) and (pointer: coarse)');
  const files = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const [menu, setMenu] = useState<HTMLElement | null>(null);

  const take = (input: RefObject<HTMLInputElement | null>) => {
    onFiles([...(input.current?.files ?? [])]);
    // The same file again is a change again.
    if (input.current) input.current.value = '';
  };

  return (
    <>
      <button
        type="button"
        className="parley-composer-button"
        aria-label={texts.attach}
        title={texts.attach}
        aria-haspopup={touch ? 'menu' : undefined}
        onClick={(event) => (touch ? setMenu(event.currentTarget) : files.current?.click())}
      >
        <Paperclip size={20} />
      </button>
      <input ref={files} type="file" multiple hidden aria-label={texts.attach} onChange={() => take(files)} />
      <input
        ref={camera}
        type="file"
        accept="image/*"
        capture="environment"
        hidden
        aria-label={texts.takePhoto}
        onChange={() => take(camera)}
      />
      {menu && (
        <Menu
          label={texts.attach}
          anchor={menu}
          onClose={() => setMenu(null)}
          items={[
            { label: texts.takePhoto, icon: <Camera size={ICON} />, onSelect: () => camera.current?.click() },
            { label: texts.chooseFiles, icon: <FileUp size={ICON} />, onSelect: () => files.current?.click() },
          ]}
        />
      )}
    </>
  );
}
