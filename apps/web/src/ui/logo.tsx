/** The mark of the app. */
export function Logo({ size = 32 }: { readonly size?: number }) {
  return (
    <svg viewBox="0 0 64 64" width={size} height={size} aria-hidden="true">
      <rect width="64" height="64" rx="17" fill="#4a4ec6" />
      <path
        fill="#aeb1ff"
        d="M27 28h20a6 6 0 0 1 6 6v8a6 6 0 0 1-6 6v4.5a1.2 1.2 0 0 1-2 .9L39 48H27a6 6 0 0 1-6-6v-8a6 6 0 0 1 6-6z"
      />
      <path
        fill="#fff"
        stroke="#4a4ec6"
        strokeWidth="3"
        d="M17 12.5h22a7 7 0 0 1 7 7v9a7 7 0 0 1-7 7H27l-7.2 6.3a1.3 1.3 0 0 1-2.2-1V35.5H17a7 7 0 0 1-7-7v-9a7 7 0 0 1 7-7z"
      />
    </svg>
  );
}
