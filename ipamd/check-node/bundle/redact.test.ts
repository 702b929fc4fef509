import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { REDACTED, Redactor } from './redact.ts';

const redactor = () => new Redactor({ accounts: true });
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.split('');
const CAPITALS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.split('');
const run = (letters: readonly string[], length: number) =>
  fc.array(fc.constantFrom(...letters), { minLength: length, maxLength: length }).map((all) => all.join(''));

/** Secrets that show by their looks what they are; of each kind many. */
const shaped = fc.oneof(
  run(CAPITALS, 16).map((rest) => `AKIA${rest}`),
  run(CAPITALS, 16).map((rest) => `ASIA${rest}`),
  run(BASE64, 37).map((rest) => `aB3${rest}`),
  run(BASE64, 300).map((rest) => `Zz9${rest}==`),
  run(BASE64.slice(0, 62), 40).map((rest) => `eyJhbGciOi.${rest}.${rest}`),
  run(BASE64, 64).map((rest) => `-----BEGIN RSA PRIVATE KEY-----\n${rest}\n-----END RSA PRIVATE KEY-----`),
);
/** Secrets that look like nothing. */
const bland = run('abcdefghijklmnopqrstuvwxyz0123456789'.split(''), 14).map((rest) => `q0${rest}`);
const secretName = fc.constantFrom(
  'AWS_SECRET_ACCESS_KEY',
  'secretAccessKey',
  'sessionToken',
  'password',
  'DB_PASSWORD',
  'client-key-data',
  'Authorization',
  'apiKey',
  'AWS_SESSION_TOKEN',
);
const innocent = fc.constantFrom(
  '10.0.0.7',
  'eni-07fb9b5592965d1c8',
  'default/web',
  'table 8787',
  'i-0f7f42edae4c2d1c1',
);
const account = run('0123456789'.split(''), 12);

const leavesOf = (value: unknown): string => JSON.stringify(value);

describe('redaction', () => {
  it('no secret survives in a value, wherever it stands, and what is none does', () => {
    const place = fc.tuple(shaped, bland, secretName, innocent, fc.array(fc.string(), { maxLength: 3 }), fc.string());
    fc.assert(
      fc.property(place, ([looks, plain, name, kept, noise, key]) => {
        const value = {
          [`x${key}`]: [noise, { deep: `before ${looks} after` }],
          [name]: plain,
          env: [{ name, value: plain }],
          nested: { kept, [name]: { whole: plain } },
        };
        const text = leavesOf(redactor().value(value));
        for (const part of looks.split('\n').filter((line) => !line.startsWith('-----')))
          expect(text).not.toContain(part);
        expect(text).not.toContain(plain);
        expect(text).toContain(kept);
      }),
    );
  });

  it('no secret survives in lines of a log, of JSON or of text', () => {
    const line = fc.tuple(shaped, bland, secretName, innocent);
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const text = lines
          .flatMap(([looks, plain, name, kept]) => [
            JSON.stringify({ level: 30, [name]: plain, msg: `of ${kept}: ${looks}` }),
            `${name}=${plain} of ${kept}`,
            `  "${name}": "${plain}",`,
            `curl -H 'Authorization: Bearer ${plain}' https://user:${plain}@host/ ${looks}`,
          ])
          .join('\n');
        const clean = redactor().lines(text);
        for (const [looks, plain, , kept] of lines) {
          for (const part of looks.split('\n').filter((each) => !each.startsWith('-----')))
            expect(clean).not.toContain(part);
          expect(clean).not.toContain(plain);
          expect(clean).toContain(kept);
        }
      }),
    );
  });

  it('knows a JSON Web Token by its first letters, without capitals, small letters and digits in every part', () => {
    for (const token of [
      `eyJhbGciOi.${'A'.repeat(40)}.${'A'.repeat(40)}`,
      'eyJ9.e30.',
      `eyJhbGciOiJub25lIn0.${'a'.repeat(9)}.`,
    ])
      expect(redactor().lines(`read ${token} here`)).toBe(`read ${REDACTED} here`);
  });

  it('keeps JSON JSON, changes nothing twice, and names an account alike everywhere', () => {
    fc.assert(
      fc.property(fc.jsonValue(), account, (value, number) => {
        const one = redactor();
        const with_ = { value, arn: `arn:aws:iam::${number}:role/node`, owner: number };
        const clean = one.value(with_);
        expect(new Redactor({ accounts: true }).value(clean)).toEqual(clean);
        expect(clean).toMatchObject({ arn: 'arn:aws:iam::account-1:role/node', owner: 'account-1' });
        expect(new Redactor({ accounts: false }).value({ owner: number })).toEqual({ owner: number });
      }),
    );
  });

  it('leaves alone what only looks like a secret', () => {
    const kept = {
      containerId: 'f'.repeat(64),
      digest: `sha256:${'0a'.repeat(32)}`,
      ipv6: '2001:db8:0:1:a::21',
      rule: '1024: from all fwmark 0x80/0x80 lookup main',
      tokens: 3,
      since: '2026-05-01T12:00:00.000Z',
      path: '/v1/ipamd-env-settings',
    };
    expect(redactor().value(kept)).toEqual(kept);
    expect(redactor().value({ password: '', token: null })).toEqual({ password: '', token: null });
    expect(redactor().text('token: abc')).toBe(`token: ${REDACTED}`);
  });
});
