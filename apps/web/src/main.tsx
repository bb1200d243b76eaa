import './styles.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { reportError } from './log.ts';
import { applyPreferences } from './preferences.ts';
import { openSession } from './session.ts';

applyPreferences();
openSession();

globalThis.addEventListener('error', (event) => reportError(event.error ?? event.message, 'page'));
globalThis.addEventListener('unhandledrejection', (event) => reportError(event.reason, 'promise'));

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  navigator.serviceWorker.register('/sw.js').catch((error: unknown) => reportError(error, 'service worker'));
}
