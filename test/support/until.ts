/** Polls a condition with a bound. The error says what did not happen; a throw of the condition ends it at once. */
export async function until(
  what: string,
  deadlineMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs;
  for (let pause = 5; !(await condition()); pause = Math.min(pause * 1.5, 100)) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
