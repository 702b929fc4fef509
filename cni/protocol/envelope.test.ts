import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { isCompatibleVersion, parseRequest, parseResponse } from './envelope.ts';
import { ProtocolError } from './errors.ts';
import { PROTOCOL_VERSION } from './messages.ts';
import { isSpoolFileName, parseSpooled, spoolFileName } from './spool.ts';

const request = {
  version: PROTOCOL_VERSION,
  method: 'Del',
  id: 'ab12',
  deadlineMs: 1000,
  params: { env: { CNI_COMMAND: 'DEL', CNI_IFNAME: 'eth0' }, stdin: '{}' },
};

/** `request` with one field, at any depth, replaced by anything. */
const damaged = fc
  .tuple(
    fc.constantFrom('version', 'method', 'id', 'deadlineMs', 'params', 'params.env', 'params.stdin'),
    fc.anything(),
  )
  .map(([path, value]) => {
    const [first, second] = path.split('.');
    return second === undefined
      ? { ...request, [first ?? '']: value }
      : { ...request, params: { ...request.params, [second]: value } };
  });

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'fine';
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return (error as ProtocolError).code;
  }
}

describe('requests', () => {
  it('are read back as they were, without what we do not know', () => {
    const params = { ...request.params, env: { ...request.params.env, HOME: '/root' }, extra: 1 };
    expect(parseRequest({ ...request, params, extra: 1 })).toEqual(request);
  });

  it.each([
    [{ method: 'Add2' }, 'malformed'],
    [{ id: '' }, 'malformed'],
    [{ id: 'x'.repeat(129) }, 'malformed'],
    [{ deadlineMs: 0 }, 'malformed'],
    [{ deadlineMs: 1.5 }, 'malformed'],
    [{ deadlineMs: Infinity }, 'malformed'],
    [{ params: { env: { CNI_ARGS: 1 }, stdin: '' } }, 'malformed'],
    [{ params: { env: [], stdin: '' } }, 'malformed'],
    [{ version: 1 }, 'malformed'],
    [{ version: '9.0' }, 'version'],
    [{ version: '1.2' }, 'version'],
    [{ version: '1.1' }, 'fine'],
  ])('%j: %s', (change, code) => {
    expect(codeOf(() => parseRequest({ ...request, ...change }))).toBe(code);
  });

  it('that are damaged in any way are read or refused, never anything else', () => {
    fc.assert(fc.property(damaged, (value) => void codeOf(() => parseRequest(value))));
    fc.assert(fc.property(fc.anything(), (value) => void codeOf(() => parseRequest(value))));
    fc.assert(fc.property(fc.anything(), (value) => void codeOf(() => parseResponse(value, 'ab12'))));
  });
});

describe('responses', () => {
  const head = { version: PROTOCOL_VERSION, id: 'ab12' };
  it.each([
    [{ ...head, result: null }, 'fine'],
    [{ ...head, error: { code: 11, msg: 'later', details: 'x' } }, 'fine'],
    [head, 'malformed'],
    [{ ...head, result: {}, error: { code: 11, msg: '' } }, 'malformed'],
    [{ ...head, id: 'other', result: {} }, 'malformed'],
    [{ ...head, error: { code: 0, msg: '' } }, 'malformed'],
    [{ ...head, error: { code: 1, msg: '', details: 5 } }, 'malformed'],
    [{ ...head, version: '0.9', result: {} }, 'version'],
  ])('%j: %s', (value, code) => {
    expect(codeOf(() => parseResponse(value, 'ab12'))).toBe(code);
  });
});

it('versions agree with their neighbours of the same major', () => {
  expect(isCompatibleVersion('1.2', '1.3')).toBe(true);
  expect(isCompatibleVersion('1.4', '1.3')).toBe(true);
  expect(isCompatibleVersion('1.1', '1.3')).toBe(false);
  expect(isCompatibleVersion('2.3', '1.3')).toBe(false);
  expect(isCompatibleVersion('1', '1.0')).toBe(false);
});

describe('the spool', () => {
  const containerId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,191}$/);
  const ifName = fc.stringMatching(/^[\x21-\x2e\x30-\x39\x3b-\x7e]{1,15}$/);

  it('gives each attachment a file name of its own that fits a directory', () => {
    fc.assert(
      fc.property(containerId, ifName, containerId, ifName, (a, b, c, d) => {
        const name = spoolFileName(a, b);
        expect(isSpoolFileName(name)).toBe(true);
        expect(name).toMatch(/^[^/\0]{1,255}$/);
        expect(name === spoolFileName(c, d)).toBe(a === c && b === d);
      }),
    );
  });

  it('holds Del requests only', () => {
    expect(parseSpooled(JSON.stringify(request))).toEqual(request);
    expect(codeOf(() => parseSpooled(JSON.stringify({ ...request, method: 'Add' })))).toBe('malformed');
    expect(codeOf(() => parseSpooled('{"version"'))).toBe('malformed');
    expect(isSpoolFileName('.0011223344556677')).toBe(false);
  });
});
