import { RotateCcw } from 'lucide-react';
import { Component, type ReactNode } from 'react';
import { reportError } from '../log.ts';
import { useTexts } from '../texts/texts.tsx';

/** What `ErrorBoundary` takes. */
export interface ErrorBoundaryProps {
  /** Which pane, for the report. */
  readonly name: string;
  readonly children: ReactNode;
}

/** Keeps what breaks in one pane from taking the others along, and offers to try again. */
export class ErrorBoundary extends Component<ErrorBoundaryProps, { readonly broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override componentDidCatch(error: unknown): void {
    reportError(error, this.props.name);
  }

  override render(): ReactNode {
    return this.state.broken ? <Broken onRetry={() => this.setState({ broken: false })} /> : this.props.children;
  }
}

function Broken({ onRetry }: { readonly onRetry: () => void }) {
  const texts = useTexts();
  return (
    <div role="alert" className="m-auto flex max-w-xs flex-col items-center gap-3 p-6 text-center">
      <p className="font-semibold">{texts.paneBroken}</p>
      <p className="text-small text-soft">{texts.paneBrokenHint}</p>
      <button type="button" className="button button-quiet" onClick={onRetry}>
        <RotateCcw size={16} aria-hidden="true" /> {texts.tryAgain}
      </button>
    </div>
  );
}
