import { useParleyTexts } from './provider.tsx';

/** Who types, in words, with three dots that move. Keeps its line when nobody does, so that nothing jumps. */
export function TypingIndicator({ names }: { readonly names: readonly string[] }) {
  const texts = useParleyTexts();
  return (
    <div className="parley-typing" aria-live="off">
      {names.length > 0 && (
        <>
          <span className="parley-typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <span>{texts.typing(names)}</span>
        </>
      )}
    </div>
  );
}
