/** A level that cannot run on this machine is skipped with its reason in the title, where the reporter counts it. */
import { describe } from '@jest/globals';
import { missing, type Need } from './needs.ts';

/** `describe`, or a counted skip with the reason. */
export function describeWith(needs: readonly Need[], title: string, body: () => void): void {
  const lacking = missing(...needs);
  if (lacking === '') describe(title, body);
  else describe.skip(`${title} [skipped: needs ${lacking}]`, body);
}
