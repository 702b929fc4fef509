import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { COMMANDS } from './commands.ts';
import { completion, optionsOf } from './completion.ts';
import { Failure } from './failure.ts';
import { coloured, formatOf, paintFor, plain, withoutFormat } from './output.ts';
import { traceCommand } from './trace.ts';
import { withoutSocket } from './work.ts';

describe('formats', () => {
  it('are one way to say it for all commands', () => {
    expect(formatOf({})).toBe('table');
    expect(formatOf({ json: true })).toBe('json');
    expect(formatOf({ output: 'yaml' })).toBe('yaml');
    expect(formatOf({ output: 'text' })).toBe('table');
    for (const output of ['-o json', '-ojson', '-o=json', '--output json', '--output=json', '--json'])
      expect(withoutFormat(['a', ...output.split(' '), 'b'])).toEqual({ format: 'json', rest: ['a', 'b'] });
    expect(withoutSocket(['a', '--socket', '/s', 'b'])).toEqual({ socket: '/s', rest: ['a', 'b'] });
  });

  it('a format that is not known, or two of them, are refused', () => {
    expect(() => formatOf({ output: 'xml' })).toThrow(Failure);
    expect(() => formatOf({ json: true, output: 'yaml' })).toThrow(Failure);
    expect(() => withoutFormat(['-o'])).toThrow(Failure);
  });

  it('colours are for terminals alone, and for those who want them', () => {
    expect(paintFor({ isTTY: true }, {})).toBe(coloured);
    expect(paintFor({}, {})).toBe(plain);
    expect(paintFor({ isTTY: true }, { NO_COLOR: '1' })).toBe(plain);
    expect(paintFor({ isTTY: true }, { TERM: 'dumb' })).toBe(plain);
  });
});

describe('trace', () => {
  const context = { socket: '/nowhere', environment: {}, now: () => 0 };
  it.each([
    [['web'], 'lacks its POD or DESTINATION'],
    [['a', 'b', 'c'], 'does not go here'],
    [['a', 'b', '--protocol', 'sctp'], 'tcp, udp'],
    [['a', 'b', '--port', '80'], '--port needs --protocol'],
    [['a', 'b', '--protocol', 'tcp', '--port', '70000'], 'is no port'],
    [['a', 'b', '--nonsense'], 'not understood'],
  ])('%j is asked wrongly', async (argv, what) => {
    const failure = await traceCommand(argv, context).then(
      () => undefined,
      (error: unknown) => error as Failure,
    );
    expect(failure?.exitCode).toBe(2);
    expect(`${failure?.text.what} ${failure?.text.why}`).toContain(what);
  });
});

describe('completion', () => {
  const complete = (...words: readonly string[]): readonly string[] => {
    const script = `${completion(['bash'], COMMANDS)}
      COMP_WORDS=(wellspringctl ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _wellspringctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n').filter(Boolean);
  };

  it('bash completes commands, options and what options take', () => {
    expect(complete('')).toEqual([...COMMANDS.map(({ name }) => name), '--help']);
    expect(complete('do')).toEqual(['doctor']);
    expect(complete('plan', '--s')).toEqual(['--set', '--socket']);
    expect(complete('trace', 'web', '10.0.0.1', '--protocol', 't')).toEqual(['tcp']);
    expect(complete('status', '-o', '')).toEqual(['table', 'json', 'yaml']);
    expect(complete('completion', 'f')).toEqual(['fish']);
  });

  it('knows the options of every command from its help', () => {
    const doctor = COMMANDS.find(({ name }) => name === 'doctor');
    expect(doctor && optionsOf(doctor)).toEqual(['--no-cloud', '--root', '--socket', '--json', '--output', '--help']);
    for (const shell of ['bash', 'zsh', 'fish'])
      for (const { name } of COMMANDS) expect(completion([shell], COMMANDS)).toContain(name);
  });

  it('any other shell is refused', () => {
    fc.assert(
      fc.property(
        fc.string().filter((shell) => !['bash', 'zsh', 'fish'].includes(shell)),
        (shell) => expect(() => completion([shell], COMMANDS)).toThrow(Failure),
      ),
    );
  });
});
