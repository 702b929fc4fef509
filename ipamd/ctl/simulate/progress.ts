/** How far a run is and how long it will take, on a terminal; nothing where there is none. */

export interface ProgressBar {
  /** `part` from 0 to 1. */
  show(part: number): void;
  clear(): void;
}

interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const WIDTH = 30;
const EVERY_MS = 100;

export function progressBar(screen: Screen, label: string, now: () => number = () => performance.now()): ProgressBar {
  const startedAt = now();
  let shownAt = -Infinity;
  if (screen.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  return {
    show: (part) => {
      const at = now();
      if (at - shownAt < EVERY_MS) return;
      shownAt = at;
      screen.write(`\r\u001B[K${progressLine(label, part, at - startedAt)}`);
    },
    clear: () => void (shownAt > -Infinity && screen.write('\r\u001B[K')),
  };
}

/** One line: bar, part, time left as the time so far has it. */
export function progressLine(label: string, part: number, elapsedMs: number): string {
  const full = Math.round(part * WIDTH);
  const left = part > 0.01 ? `${Math.ceil((elapsedMs / part - elapsedMs) / 1000)} s left` : 'starting';
  return `${label} [${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${Math.floor(part * 100)} %, ${left}`;
}
