/** What a test needs of the machine. A level that cannot run is skipped with its reason in the title, where the reporter counts it. */
import { existsSync } from 'node:fs';
import { describe } from '@jest/globals';

const NEEDS = {
  root: () => process.getuid?.() === 0,
  ip: () => onPath('ip'),
  nft: () => onPath('nft'),
  ping: () => onPath('ping'),
  conntrack: () => onPath('conntrack'),
  containerd: () => onPath('containerd') && onPath('ctr'),
  runc: () => onPath('runc'),
  gcc: () => onPath('gcc'),
} as const;

export type Need = keyof typeof NEEDS;

function onPath(tool: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .some((directory) => existsSync(`${directory}/${tool}`));
}

/** What is missing, in words; empty when all is there. */
export function missing(...needs: readonly Need[]): string {
  return needs.filter((need) => !NEEDS[need]()).join(', ');
}

/** `describe`, or a counted skip with the reason. */
export function describeWith(needs: readonly Need[], title: string, body: () => void): void {
  const lacking = missing(...needs);
  if (lacking === '') describe(title, body);
  else describe.skip(`${title} [skipped: needs ${lacking}]`, body);
}
