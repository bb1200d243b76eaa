import type { ParleyErrorInit } from '@parley/client';
import type { AppTexts } from './texts/app-texts.ts';

/** What a person is told about an error: by code where there are words for it, else the server's own. */
export function errorText(error: ParleyErrorInit, texts: AppTexts): string {
  return texts.errors[error.code] ?? error.message;
}
