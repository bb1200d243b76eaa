// Runs before the first paint, so that a theme chosen by hand does not flash in after the system's.
try {
  const { theme } = JSON.parse(localStorage.getItem('parley.preferences') ?? '{}');
  if (theme === 'light' || theme === 'dark') document.documentElement.style.colorScheme = theme;
} catch {
  // No storage, or something foreign in it: the system's theme it is.
}
