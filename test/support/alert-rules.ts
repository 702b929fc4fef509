/** The alerts of deploy/alerts as data. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const ALERTS = new URL('../../deploy/alerts/wellspring.yaml', import.meta.url).pathname;

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export function alertRules(): readonly AlertRule[] {
  return (parse(readFileSync(ALERTS, 'utf8')) as Rules).groups.flatMap(({ rules }) => rules);
}
