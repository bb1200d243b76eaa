import {
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { Virtualizer, type VirtualizerHandle } from 'virtua';
import type { Messages } from './hooks.ts';
import { Icon } from './icon.tsx';
import { useFormats, useParleyTexts } from './provider.tsx';
import { buildRows, indexOfSeq, isGapRow, type Row } from './rows.ts';

/** How a row is to be drawn at this moment. */
export interface RowState {
  /** The one message of the thread in the tab order. */
  readonly current: boolean;
  /** Just jumped to. */
  readonly highlighted: boolean;
}

/** What one can ask of a thread on the screen. */
export interface ThreadHandle {
  /** Shows a message, loading its surroundings if need be, and marks it for a moment. */
  jumpTo(seq: number): void;
  /** Shows the newest messages and stays with them. */
  jumpToNewest(): void;
  /** Puts the focus on the last message on the screen. */
  focus(): void;
}

/** What `Thread` takes. Give it the conversation's id as `key`: a thread begins anew with each. */
export interface ThreadProps {
  /** From `useMessages`. */
  readonly messages: Messages;
  readonly userId: string | null;
  /** What was read when the thread was opened: the divider stands after it. Null for none. */
  readonly unreadAfterSeq?: number | null;
  /** Unread messages of the whole conversation, for when the newest are not loaded. */
  readonly unreadCount?: number;
  /** Where to begin instead of the first unread or the newest message. */
  readonly startAtSeq?: number | null;
  readonly renderMessage: (row: Row, state: RowState) => ReactNode;
  /** Stands above the first message of the conversation. */
  readonly beginning?: ReactNode;
  /** Shown while there is nothing to show yet. */
  readonly loading?: ReactNode;
  /** The newest position that was on the screen, in a window that has the focus. For marking as read. */
  readonly onSeen?: (seq: number) => void;
  /** Called with the position that is being read when very many messages are loaded. For `trim`. */
  readonly onLarge?: (seq: number) => void;
  /** Escape, or the arrow down from the last message. */
  readonly onLeave?: () => void;
  readonly ref?: Ref<ThreadHandle>;
}

/** Loads the next page this far (pixels) before its end comes on the screen. */
const PAGE_AHEAD = 1_500;
/** The last row counts as on the screen within this distance. */
const NEAR_BOTTOM = 32;
const LARGE = 3_000;
const HIGHLIGHT_MS = 2_000;
const TOP_HEIGHT = 72;

/**
 * The messages of a conversation: virtualised, paging in both directions, staying at the newest while one is there and holding
 * its place otherwise. Arrow keys walk over the messages.
 */
export function Thread(props: ThreadProps) {
  const { messages, userId, unreadAfterSeq = null, startAtSeq = null, onSeen, onLarge, onLeave } = props;
  const texts = useParleyTexts();
  const list = useRef<VirtualizerHandle>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const rows = useRows(messages, userId, unreadAfterSeq);
  const window = useWindowOfRows(rows);
  const place = useRef({ sticky: true, offset: 0, begun: false, asked: false });
  const [atBottom, setAtBottom] = useState(true);
  const [seen, setSeen] = useState(0);
  const [current, setCurrent] = useState<string | null>(null);
  const [target, setTarget] = useState<{ readonly seq: number } | null>(null);
  const [margin, setMargin] = useState(0);
  const [highlighted, setHighlighted] = useState<number | null>(null);
  const latest = useRef({ messages, rows, onSeen, onLarge });
  latest.current = { messages, rows, onSeen, onLarge };

  const start = startAtSeq ?? (unreadAfterSeq === null ? null : unreadAfterSeq + 1);
  const firstSeq = seqOf(rows[0]);
  const missesStart = start !== null && messages.ready && firstSeq !== null && firstSeq > start && !messages.atOldest;

  /** Looks at what is on the screen: pages, marks as seen, remembers whether the thread is at its end. */
  const look = useCallback(() => {
    const handle = list.current;
    const now = latest.current;
    if (!handle || !place.current.begun || now.rows.length === 0) return;
    const { scrollOffset, viewportSize } = handle;
    const rest =
      (scroller.current?.scrollHeight ?? 0) -
      (scroller.current?.scrollTop ?? 0) -
      (scroller.current?.clientHeight ?? 0);
    const bottom = rest < NEAR_BOTTOM;
    // Only a person scrolls up; growing content moves the end away without that.
    if (bottom) place.current.sticky = now.messages.atNewest;
    else if (scrollOffset < place.current.offset - 1) place.current.sticky = false;
    place.current.offset = scrollOffset;
    setAtBottom((bottom || place.current.sticky) && now.messages.atNewest);

    if (now.messages.error === null) {
      if (!now.messages.atOldest && scrollOffset < PAGE_AHEAD) now.messages.loadOlder();
      else if (!now.messages.atNewest && rest < PAGE_AHEAD) now.messages.loadNewer();
    }
    const from = handle.findItemIndex(Math.max(0, scrollOffset));
    const to = Math.min(now.rows.length - 1, handle.findItemIndex(scrollOffset + viewportSize - 1));
    for (let at = from; at <= to; at += 1) {
      const row = now.rows[at];
      if (row && isGapRow(row) && !row.item.loading && now.messages.error === null) now.messages.fillGap(row.item);
    }
    const newest = lastSeqUpTo(now.rows, to);
    if (newest !== null && document.visibilityState === 'visible' && document.hasFocus()) {
      setSeen((before) => Math.max(before, newest));
      now.onSeen?.(newest);
    }
    if (now.rows.length > LARGE) {
      // On the way to the newest the screen still shows what lies before it.
      const middle = place.current.sticky ? now.rows.length - 1 : Math.floor((from + to) / 2);
      const around = lastSeqUpTo(now.rows, middle);
      if (around !== null) now.onLarge?.(around);
    }
  }, []);

  const toEnd = useCallback(() => {
    const { rows } = latest.current;
    if (rows.length > 0) list.current?.scrollToIndex(rows.length - 1, { align: 'end' });
  }, []);

  // The list must know what stands above it; what changes there must not move what is being read.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the elements come with the first messages
  useLayoutEffect(() => {
    const head = top.current;
    const rowsBox = body.current;
    if (!head || !rowsBox) return;
    let height = head.offsetHeight;
    const measure = () => {
      const grown = head.offsetHeight - height;
      height = head.offsetHeight;
      if (grown !== 0 && scroller.current && scroller.current.scrollTop > 0) scroller.current.scrollTop += grown;
      setMargin(rowsBox.offsetTop);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(head);
    observer.observe(rowsBox);
    return () => observer.disconnect();
  }, [messages.ready]);

  // The first unread message may lie above the first page.
  useEffect(() => {
    // Once begun, the first page being above or gone is the reader's own doing: a jump, or paging.
    if (!missesStart || place.current.begun || place.current.asked) return;
    place.current.asked = true;
    void latest.current.messages.loadAround(start!);
  }, [missesStart, start]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: rows are what it reacts to
  useLayoutEffect(() => {
    if (rows.length === 0 || !list.current) return;
    if (!place.current.begun) {
      if (missesStart && messages.error === null) return;
      place.current.begun = true;
      const at = startAtSeq !== null ? indexOfSeq(rows, startAtSeq) : rows.findIndex((row) => row.unread);
      place.current.sticky = at < 0;
      if (at < 0) toEnd();
      else list.current.scrollToIndex(at, startAtSeq === null ? { align: 'start', offset: -24 } : { align: 'center' });
      if (startAtSeq !== null) setHighlighted(startAtSeq);
    } else if (target !== null && indexOfSeq(rows, target.seq) >= 0) {
      place.current.sticky = false;
      list.current.scrollToIndex(indexOfSeq(rows, target.seq), { align: 'center' });
      setHighlighted(target.seq);
      setTarget(null);
    } else if (place.current.sticky || (rows.at(-1)?.item.kind === 'outgoing' && window.appended)) {
      // One's own send brings one back to the end.
      place.current.sticky = true;
      toEnd();
    }
    look();
  }, [rows, window, missesStart, target, toEnd, look]);

  useEffect(() => {
    if (highlighted === null) return;
    const timer = setTimeout(() => setHighlighted(null), HIGHLIGHT_MS);
    return () => clearTimeout(timer);
  }, [highlighted]);

  // Coming back to the window is seeing what is in it; a viewport that shrinks (keyboard, composer) keeps the end in view.
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const settle = () => {
      if (place.current.sticky) toEnd();
      look();
    };
    const observer = new ResizeObserver(settle);
    observer.observe(element);
    globalThis.addEventListener('focus', look);
    document.addEventListener('visibilitychange', look);
    return () => {
      observer.disconnect();
      globalThis.removeEventListener('focus', look);
      document.removeEventListener('visibilitychange', look);
    };
  }, [look, toEnd]);

  const focusRow = useCallback((index: number) => {
    const row = latest.current.rows[index];
    if (!row) return;
    setCurrent(row.key);
    list.current?.scrollToIndex(index, { align: 'nearest' });
    // The row may have to be drawn first.
    requestAnimationFrame(() => articleOf(scroller.current, row.key)?.focus({ preventScroll: true }));
  }, []);

  const jumpTo = useCallback((seq: number) => {
    place.current.sticky = false;
    setTarget({ seq });
    const { rows, messages } = latest.current;
    if (indexOfSeq(rows, seq) < 0) void messages.loadAround(seq);
  }, []);

  const jumpToNewest = useCallback(() => {
    place.current.sticky = true;
    setTarget(null);
    if (latest.current.messages.atNewest) toEnd();
    else void latest.current.messages.loadNewest();
  }, [toEnd]);

  useImperativeHandle(
    props.ref,
    () => ({
      jumpTo,
      jumpToNewest,
      focus: () => focusRow(lastOnScreen(list.current, latest.current.rows.length)),
    }),
    [jumpTo, jumpToNewest, focusRow],
  );

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.defaultPrevented || !(event.target instanceof HTMLElement)) return;
    if (event.key === 'Escape') return onLeave?.();
    if (event.target.role !== 'article' && event.target.tagName !== 'ARTICLE') return;
    const index = rows.findIndex(({ key }) => key === current);
    const next = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (next >= rows.length) onLeave?.();
    else focusRow(Math.max(0, next));
  };

  const currentIndex = rows.findIndex(({ key }) => key === current);
  const stop = currentIndex >= 0 ? currentIndex : rows.length - 1;
  const loadedBelow = rows.reduce(
    (count, { item }) =>
      count + Number(item.kind === 'message' && item.message.seq > seen && item.message.senderId !== userId),
    0,
  );
  const below = messages.atNewest ? loadedBelow : Math.max(loadedBelow, props.unreadCount ?? 0);
  const hidden = !place.current.begun && missesStart && messages.error === null;

  return (
    <div className="parley-thread">
      <div
        ref={scroller}
        className="parley-thread-scroller"
        role="log"
        aria-label={texts.messages}
        // New messages are told by the app's own live region: rows that come and go while scrolling are not news.
        aria-live="off"
        aria-busy={!messages.ready}
        onKeyDown={onKeyDown}
        onFocus={(event) => {
          const row = event.target.closest<HTMLElement>('[data-row]');
          if (row?.dataset.row) setCurrent(row.dataset.row);
        }}
      >
        <div className="parley-thread-space" />
        {messages.ready ? (
          <>
            <div
              ref={top}
              className="parley-thread-top"
              style={messages.atOldest ? undefined : { blockSize: TOP_HEIGHT }}
            >
              {messages.atOldest ? props.beginning : messages.error === null && <Spinner />}
            </div>
            <div ref={body} className="parley-thread-rows" data-hidden={hidden || undefined}>
              <Virtualizer
                key={window.epoch}
                ref={list}
                scrollRef={scroller}
                startMargin={margin}
                shift={window.shift}
                bufferSize={600}
                keepMounted={stop >= 0 ? [stop] : []}
                onScroll={look}
                onResize={() => {
                  if (place.current.sticky) toEnd();
                }}
              >
                {rows.map((row, index) => (
                  <div
                    key={row.key}
                    data-row={row.key}
                    className="parley-row"
                    data-first={row.first || undefined}
                    data-end={index === rows.length - 1 || undefined}
                  >
                    <RowHead row={row} />
                    {isGapRow(row) ? (
                      <Spinner />
                    ) : (
                      props.renderMessage(row, {
                        current: index === stop,
                        highlighted: seqOf(row) !== null && seqOf(row) === highlighted,
                      })
                    )}
                  </div>
                ))}
              </Virtualizer>
            </div>
          </>
        ) : (
          messages.error === null && props.loading
        )}
        {!messages.atNewest && messages.ready && messages.error === null && <Spinner />}
      </div>
      {messages.error !== null && (
        <div className="parley-thread-error" role="alert">
          <span>{texts.loadFailed}</span>
          <button type="button" onClick={messages.retry}>
            {texts.tryAgain}
          </button>
        </div>
      )}
      {!atBottom && rows.length > 0 && (
        <button type="button" className="parley-jump" aria-label={texts.jumpToNewest(below)} onClick={jumpToNewest}>
          <Icon>
            <path d="M12 5v14M6 13l6 6 6-6" />
          </Icon>
          {below > 0 && <span aria-hidden="true">{below}</span>}
        </button>
      )}
    </div>
  );
}

function RowHead({ row }: { readonly row: Row }) {
  const texts = useParleyTexts();
  const formats = useFormats();
  return (
    <>
      {row.day !== null && (
        <div className="parley-day">
          <span>{formats.day(row.day)}</span>
        </div>
      )}
      {row.unread && (
        <div className="parley-unread">
          <span>{texts.newMessages}</span>
        </div>
      )}
    </>
  );
}

function Spinner() {
  return <div className="parley-spinner" aria-hidden="true" />;
}

function useRows(messages: Messages, userId: string | null, unreadAfterSeq: number | null): readonly Row[] {
  const previous = useRef<readonly Row[]>([]);
  const rows = useMemo(
    () => buildRows(messages.timeline, { userId, unreadAfterSeq, previous: previous.current }),
    [messages.timeline, userId, unreadAfterSeq],
  );
  useLayoutEffect(() => {
    previous.current = rows;
  }, [rows]);
  return rows;
}

interface WindowOfRows {
  /** Rises when the rows were replaced by others, so that nothing measured before applies. */
  readonly epoch: number;
  /** Rows came or went at the top: the place is held from the end. */
  readonly shift: boolean;
  readonly appended: boolean;
}

/** What became of the rows since the last time. */
function useWindowOfRows(rows: readonly Row[]): WindowOfRows {
  const [state, setState] = useState({ rows, epoch: 0, shift: false, appended: false });
  if (state.rows === rows) return state;
  const next = { rows, ...compare(state.rows, rows, state.epoch) };
  // Set while rendering, so that the list sees rows and `shift` together.
  setState(next);
  return next;
}

function compare(before: readonly Row[], after: readonly Row[], epoch: number): WindowOfRows {
  const first = before[0]?.key;
  const newFirst = after[0]?.key;
  const appended = after.length > before.length && after.at(-1)?.key !== before.at(-1)?.key;
  if (first === undefined || newFirst === undefined || first === newFirst) return { epoch, shift: false, appended };
  if (after.some(({ key }) => key === first)) return { epoch, shift: true, appended: false };
  if (before.some(({ key }) => key === newFirst)) return { epoch, shift: true, appended: false };
  return { epoch: epoch + 1, shift: false, appended: false };
}

function seqOf(row: Row | undefined): number | null {
  return row?.item.kind === 'message' ? row.item.message.seq : null;
}

function lastSeqUpTo(rows: readonly Row[], index: number): number | null {
  for (let at = Math.min(index, rows.length - 1); at >= 0; at -= 1) {
    const seq = seqOf(rows[at]);
    if (seq !== null) return seq;
  }
  return null;
}

function lastOnScreen(handle: VirtualizerHandle | null, length: number): number {
  if (!handle) return length - 1;
  return Math.min(length - 1, handle.findItemIndex(handle.scrollOffset + handle.viewportSize - 1));
}

function articleOf(scroller: HTMLElement | null, key: string): HTMLElement | null {
  return scroller?.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"] article`) ?? null;
}
