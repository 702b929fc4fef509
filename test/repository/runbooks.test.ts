/** Every code and every finding that a person acts on leads to a page that is there and speaks of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CNI_ERROR_TABLE } from '#cni/spec/errors.ts';
import { ERROR_RUNBOOKS, REASON_RUNBOOKS } from '#ipamd/check-node/runbooks.data.ts';
import { fixOf } from '#ipamd/observe/explain-fix.ts';
import { alertRules } from '#test/support/alert-rules.ts';
import type { ReasonCode } from '#warm-pool/model.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const PAGES = readdirSync(join(ROOT, 'docs/runbooks'));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const sources = (directory: string) =>
  readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => read(join(directory, path)));

describe('runbooks', () => {
  it.each(CNI_ERROR_TABLE.map(({ code, name }) => [code, name] as const))(
    'error %d (%s) has one that names it',
    (code, name) => {
      expect(PAGES).toContain(ERROR_RUNBOOKS[name]);
      const index = read('docs/runbooks/README.md').split('\n');
      const row = index.find((line) => line.includes(`(${ERROR_RUNBOOKS[name]})`));
      expect(
        row
          ?.split('|')[2]
          ?.split(',')
          .map((cell) => cell.trim()),
      ).toContain(String(code));
    },
  );

  it('every reason code that somebody must act on has one, and its page or the index names it', () => {
    const index = read('docs/runbooks/README.md');
    for (const [reason, page] of Object.entries(REASON_RUNBOOKS)) {
      expect(PAGES).toContain(page);
      expect(index).toContain(reason);
    }
    const acted = Object.keys(REASON_RUNBOOKS);
    const model = [...read('ipamd/observe/explain-fix.ts').matchAll(/^ {2}'([a-z0-9-]+)':/gm)].map(
      ([, reason]) => reason as ReasonCode,
    );
    const needing = model.filter((reason) => !fixOf(reason).startsWith('Nothing'));
    expect(needing.length).toBeGreaterThan(5);
    expect(needing.filter((reason) => !acted.includes(reason))).toEqual([]);
  });

  it('every alert has one that names it, and docs/alerts.md says what it takes', () => {
    const rules = alertRules();
    expect(rules.length).toBeGreaterThan(8);
    for (const { alert, annotations } of rules) {
      const page = annotations['runbook'] ?? '';
      expect([alert, PAGES]).toEqual([alert, expect.arrayContaining([page.replace('docs/runbooks/', '')])]);
      expect(read(page)).toContain(`\`${alert}\``);
      expect(read('docs/alerts.md')).toContain(`\`${alert}\``);
    }
  });

  it('what findings and drops refer to is there, and no page is an orphan', () => {
    const named = [
      ...sources('ipamd/check-node')
        .join('\n')
        .matchAll(/'([a-z0-9-]+\.md)'/g),
    ].map(([, page]) => page ?? '');
    expect(new Set(named).size).toBeGreaterThan(10);
    for (const page of named) expect(PAGES).toContain(page);
    const index = read('docs/runbooks/README.md');
    expect(PAGES.filter((page) => page !== 'README.md' && !index.includes(`(${page})`))).toEqual([]);
  });
});
