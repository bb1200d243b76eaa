import { FileUp } from 'lucide-react';
import { type DragEvent, type ReactNode, useRef, useState } from 'react';
import { useTexts } from '../texts/texts.tsx';
import { filesIn } from './add-files.ts';

interface DropZoneProps {
  readonly title: string;
  readonly enabled: boolean;
  readonly onFiles: (files: readonly File[]) => void;
  readonly children: ReactNode;
}

/** Files may be dropped anywhere on a conversation; it says so while they are held over it. */
export function DropZone({ title, enabled, onFiles, children }: DropZoneProps) {
  const texts = useTexts();
  const [over, setOver] = useState(false);
  // Each child that is entered and left tells of it.
  const depth = useRef(0);
  const holdsFiles = (event: DragEvent) => enabled && event.dataTransfer.types.includes('Files');
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the attach button does the same with the keyboard
    <div
      className="relative flex min-h-0 flex-1 flex-col"
      onDragEnter={(event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        depth.current += 1;
        setOver(true);
      }}
      onDragOver={(event) => holdsFiles(event) && event.preventDefault()}
      onDragLeave={() => {
        depth.current = Math.max(0, depth.current - 1);
        if (depth.current === 0) setOver(false);
      }}
      onDrop={(event) => {
        depth.current = 0;
        setOver(false);
        if (!holdsFiles(event)) return;
        event.preventDefault();
        onFiles(filesIn(event.dataTransfer));
      }}
    >
      {children}
      {over && (
        <div className="pointer-events-none absolute inset-3 z-10 flex flex-col items-center justify-center gap-3 rounded-3xl border-2 border-dashed border-accent bg-page/90 text-center">
          <FileUp size={30} className="text-accent-ink" aria-hidden="true" />
          <p className="font-semibold">{texts.dropToSend(title)}</p>
        </div>
      )}
    </div>
  );
}
