/** docs/fidelity.md says what is so: every refusal has a rule, every rule its test, every parameter somebody who looks at it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ACTION_CLASSES } from '#cloud/emulator/ec2/actions.data.ts';
import { actionShape } from '#cloud/emulator/ec2/shapes.ts';
import { UNSUPPORTED } from '#cloud/emulator/ec2/unsupported.data.ts';
import { WITHOUT_EFFECT } from '#cloud/emulator/ec2/without-effect.data.ts';
import type { Ec2Action } from '#cloud/emulator/ec2-actions.ts';
import { FIDELITY } from '#cloud/emulator/fidelity.data.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const EMULATOR = join(ROOT, 'cloud', 'emulator');
const sources = readdirSync(EMULATOR, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('fidelity'))
  .map((path) => ({ path, text: readFileSync(join(EMULATOR, path), 'utf8') }));
const rules = FIDELITY.flatMap((area) => area.rules);

describe('docs/fidelity.md', () => {
  it('names every code that the emulator refuses with, and no other', () => {
    const text = sources.map((source) => source.text).join('\n');
    const thrown = [...text.matchAll(/new Ec2Error\(\s*'([\w.]+)'/g)].map(([, code = '']) => code);
    const ofIds = [...text.matchAll(/(?:malformed|notFound): '([\w.]+)'/g)].map(([, code = '']) => code);
    const named = new Set(rules.flatMap(({ codes = [] }) => codes));
    expect([...named].toSorted()).toEqual([...new Set([...thrown, ...ofIds])].toSorted());
  });

  it.each(rules)('$rule: is covered by a test of that name', ({ test: [file, title] }) => {
    expect(readFileSync(join(ROOT, file), 'utf8')).toContain(`'${title}'`);
  });

  it('every parameter of EC2 has its effect, is refused by name, or is listed as without effect', () => {
    const transitions = sources
      .filter(({ path }) => path.startsWith('vpc/'))
      .map(({ text }) => text)
      .join('\n');
    const unseen = (Object.keys(ACTION_CLASSES) as Ec2Action[]).flatMap((action) => {
      const names = [...(actionShape(action)?.request.byMember.keys() ?? [])].filter((name) => name !== 'DryRun');
      const refused = UNSUPPORTED[action] ?? [];
      const idle = WITHOUT_EFFECT[action] ?? [];
      expect([action, ...[...refused, ...idle].filter((name) => !names.includes(name))]).toEqual([action]);
      expect([action, ...refused.filter((name) => idle.includes(name))]).toEqual([action]);
      return names
        .filter((name) => !refused.includes(name) && !idle.includes(name))
        .filter((name) => !new RegExp(`\\b(input|specification|request|change)\\.${name}\\b`).test(transitions))
        .map((name) => `${action}.${name}`);
    });
    expect(unseen).toEqual([]);
  });
});
