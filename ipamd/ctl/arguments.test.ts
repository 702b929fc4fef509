import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { SETTABLE } from '../observe/explain-settings.ts';
import { parseArguments } from './arguments.ts';
import { COMMANDS } from './commands.ts';
import { Failure, failureLines } from './failure.ts';
import { commandHelp, DEFAULT_SOCKET, generalHelp } from './help.ts';

function asked(...argv: readonly string[]) {
  const invocation = parseArguments(argv, {});
  if (invocation.kind !== 'ask') throw new Error('help was given');
  return { ...invocation, path: invocation.command.path(invocation.question) };
}

describe('parseArguments', () => {
  it('makes a question of a command line', () => {
    expect(asked('pods')).toMatchObject({ path: '/v1/pods', socket: DEFAULT_SOCKET, format: 'table' });
    expect(asked('-o', 'json', 'enis', '--socket', '/s')).toMatchObject({
      path: '/v1/enis',
      socket: '/s',
      format: 'json',
    });
    expect(asked('plan', '--set', 'A=b c&d', '--set=E=')).toMatchObject({ path: '/v1/plan?set=A%3Db+c%26d&set=E%3D' });
    expect(asked('explain', 'a/b')).toMatchObject({ path: '/v1/explain?subject=a%2Fb' });
  });

  it('takes the socket from the environment, unless told', () => {
    const env = { WELLSPRING_INTROSPECT_SOCKET: '/env' };
    expect(parseArguments(['pods'], env)).toMatchObject({ socket: '/env' });
    expect(parseArguments(['pods', '--socket', '/told'], env)).toMatchObject({ socket: '/told' });
    expect(parseArguments(['pods'], { WELLSPRING_INTROSPECT_SOCKET: '' })).toMatchObject({ socket: DEFAULT_SOCKET });
  });

  it('gives help where nothing is asked', () => {
    expect(parseArguments([], {})).toEqual({ kind: 'help', command: undefined });
    expect(parseArguments(['plan', '-h'], {})).toMatchObject({ kind: 'help', command: { name: 'plan' } });
  });

  it('any command line is a question, help or a failure of three lines', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('plan', 'explain', 'pods', '--set', '--json', '-o', 'json', 'A=1'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), (argv) => {
        try {
          expect(['ask', 'help']).toContain(parseArguments(argv, {}).kind);
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
          expect((error as Failure).exitCode).toBe(2);
          expect(failureLines((error as Failure).text).split('\n')).toHaveLength(4);
        }
      }),
    );
  });
});

describe('help', () => {
  it('names every command, and plan every setting', () => {
    for (const command of COMMANDS) {
      expect(generalHelp()).toContain(`  ${command.name}`);
      expect(commandHelp(command)).toContain('--json');
    }
    const plan = COMMANDS.find(({ name }) => name === 'plan');
    for (const key of SETTABLE) expect(plan?.help).toContain(key);
  });
});
