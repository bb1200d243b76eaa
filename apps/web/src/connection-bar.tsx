import { useConnection, useSecondsUntil } from '@parley/react';
import { CloudOff, RefreshCw } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useTexts } from './texts/texts.tsx';

/** A moment of trouble is not worth a word. */
const PATIENCE_MS = 1_200;
const BACK_MS = 2_500;

/** Says when the app is not connected, what waits, and when it is back. */
export function ConnectionBar() {
  const texts = useTexts();
  const { state, live, waiting, wake } = useConnection();
  const seconds = useSecondsUntil(state.status === 'waiting' ? state.retryAt : null);
  const [shown, setShown] = useState<'no' | 'away' | 'back'>('no');
  const wasAway = useRef(false);

  useEffect(() => {
    if (!live && state.status !== 'ended' && state.status !== 'closed') {
      const timer = setTimeout(() => {
        wasAway.current = true;
        setShown('away');
      }, PATIENCE_MS);
      return () => clearTimeout(timer);
    }
    setShown(live && wasAway.current ? 'back' : 'no');
    wasAway.current = false;
    const timer = setTimeout(() => setShown('no'), BACK_MS);
    return () => clearTimeout(timer);
  }, [live, state.status]);

  const offline = !navigator.onLine;
  return (
    <div role="status" className="relative z-10">
      {shown === 'away' && (
        <div className="flex min-h-10 flex-wrap items-center justify-center gap-x-3 gap-y-1 bg-warn-soft px-4 py-1.5 text-small font-medium text-warn">
          {offline ? (
            <CloudOff size={16} aria-hidden="true" />
          ) : (
            <RefreshCw size={16} aria-hidden="true" className="animate-spin" />
          )}
          <span>{offline ? texts.offline : state.status === 'online' ? texts.catchingUp : texts.reconnecting}</span>
          {waiting > 0 && <span>{texts.waitingToSend(waiting)}</span>}
          {state.status === 'waiting' && (
            <button
              type="button"
              className="rounded-lg px-2 py-1 font-semibold underline underline-offset-2"
              aria-live="off"
              onClick={wake}
            >
              {seconds > 1 ? texts.retryIn(seconds) : texts.retryNow}
            </button>
          )}
        </div>
      )}
      {shown === 'back' && (
        <div className="flex min-h-10 items-center justify-center bg-surface text-small font-medium text-good">
          {texts.backOnline}
        </div>
      )}
    </div>
  );
}
