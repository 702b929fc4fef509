/** What must come may take this long on the slowest and busiest machine; a smaller bound would only be a wrong alarm. */
const PATIENCE_MS = 60_000;

/**
 * Polls a condition with a bound, which is at least a minute: it says how long to wait for what must come, and nothing about
 * how soon it has to. The error says what did not happen; a throw of the condition ends it at once.
 */
export async function until(
  what: string,
  deadlineMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const boundMs = Math.max(deadlineMs, PATIENCE_MS);
  const giveUpAt = performance.now() + boundMs;
  for (let pause = 5; !(await condition()); pause = Math.min(pause * 1.5, 100)) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${boundMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
