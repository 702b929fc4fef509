import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseConfig } from './config.ts';
import { notesOn, UNUSED_PEER_SETTINGS, unmetPeerSettings } from './notes.ts';
import { OPTIONS } from './options.data.ts';

const said = (env: Readonly<Record<string, string>>) => notesOn(env).map(({ sentence }) => sentence);

describe('notesOn', () => {
  it('says nothing of settings that work, of other software and of services', () => {
    const works = Object.fromEntries(
      Object.values(OPTIONS).map(({ env }) => [env, env === 'WARM_ENI_TARGET' ? '0' : 'x']),
    );
    const others = {
      PATH: '/bin',
      HOME: '/',
      AWS_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_EC2: 'x',
      MAX_MEM: '1',
      HTTP_PROXY: 'x',
    };
    const services = { WARM_THINGS_SERVICE_HOST: '10.1.1.1', WARM_THINGS_PORT_80_TCP_ADDR: '10.1.1.1' };
    expect(notesOn({ ...works, ...others, ...services, WELLSPRING_BOOT_ID: 'x' })).toEqual([]);
  });

  it('says once, with the reason, what has no effect', () => {
    for (const { env, kind, reason } of UNUSED_PEER_SETTINGS) {
      const expected = kind === 'without-effect' ? [`${env} has no effect: ${reason}`] : [];
      expect(said({ [env]: 'true' })).toEqual(expected);
      expect(said({ [env]: '' })).toEqual([]);
    }
  });

  it('says which of two targets counts', () => {
    expect(said({ WARM_ENI_TARGET: '2', WARM_IP_TARGET: '5' })).toEqual([
      'WARM_ENI_TARGET=2 has no effect: WARM_IP_TARGET=5 takes its place.',
    ]);
    expect(said({ WARM_ENI_TARGET: '2', ENABLE_PREFIX_DELEGATION: 'T', WARM_PREFIX_TARGET: '1' })).toEqual([
      'WARM_ENI_TARGET=2 has no effect: ENABLE_PREFIX_DELEGATION is on, and WARM_PREFIX_TARGET is what counts.',
    ]);
    expect(said({ WARM_PREFIX_TARGET: '2', ENABLE_PREFIX_DELEGATION: 'true', MINIMUM_IP_TARGET: '5' })).toEqual([
      'WARM_PREFIX_TARGET=2 has no effect: MINIMUM_IP_TARGET=5 takes its place.',
    ]);
    expect(said({ WARM_ENI_TARGET: '0', WARM_IP_TARGET: '5' })).toEqual([]);
    expect(said({ WARM_ENI_TARGET: '2', WARM_IP_TARGET: '0' })).toEqual([]);
  });

  it.each([
    ['WARM_IP_TARGETS', 'WARM_IP_TARGET'],
    ['WARN_IP_TARGET', 'WARM_IP_TARGET'],
    ['MINIMUM_IP_TARGT', 'MINIMUM_IP_TARGET'],
    ['warm_eni_target', 'WARM_ENI_TARGET'],
    ['ENABLE_PREFIX_DELEGATOIN', 'ENABLE_PREFIX_DELEGATION'],
    ['WELLSPRING_SOCKETS', 'WELLSPRING_SOCKET'],
    ['AWS_VPC_K8S_CNI_EXTERNAL_SNAT', 'AWS_VPC_K8S_CNI_EXTERNALSNAT'],
  ])('takes %s for %s', (name, meant) => {
    expect(notesOn({ [name]: '1' })).toEqual([
      {
        kind: 'misspelt',
        setting: name,
        sentence: `${name} is no setting of ipamd and is ignored; ${meant} may be meant.`,
      },
    ]);
  });

  it('warns of what nothing else is called like, though nothing is near', () => {
    expect(said({ WELLSPRING_QUITE_ANOTHER_MATTER: '1' })).toEqual([
      'WELLSPRING_QUITE_ANOTHER_MATTER is no setting of ipamd and is ignored; see `ipamd --help`.',
    ]);
  });

  it('one slip of the finger in any setting is noticed', () => {
    const long = Object.values(OPTIONS)
      .map(({ env }) => env)
      .filter((env) => env.length >= 10);
    fc.assert(
      fc.property(fc.constantFrom(...long), fc.nat(100), fc.constantFrom('', 'Q'), (env, at, by) => {
        const slip = env.slice(0, at % env.length) + by + env.slice((at % env.length) + 1);
        fc.pre(slip !== env);
        expect(notesOn({ [slip]: '1' })).toMatchObject([{ kind: 'misspelt' }]);
        expect(said({ [slip]: '1' })[0]).toContain('may be meant');
      }),
    );
  });
});

describe('unmetPeerSettings', () => {
  it('lets through what asks for nothing, and refuses what would not be there', () => {
    for (const setting of UNUSED_PEER_SETTINGS) {
      if (setting.kind !== 'only') continue;
      for (const value of ['', ...setting.values]) expect(unmetPeerSettings({ [setting.env]: value })).toEqual([]);
      const [sentence = ''] = unmetPeerSettings({ [setting.env]: 'strict' });
      expect(sentence).toMatch(/^\S+="strict" is not allowed: it must be [^.]+, for .+\.$/);
      expect(() => parseConfig({ [setting.env]: 'strict' })).toThrow(sentence);
    }
  });
});
