import { describe, expect, it } from '@jest/globals';
import { parseCommandLine, UsageError } from './command-line.ts';

describe('the command line', () => {
  it.each([
    ['', 'Say what to do'],
    ['melt', 'no command melt'],
    ['up --prefix x', '--fabric'],
    ['up --code X', '--code'],
    ['state extra', 'extra'],
    ['fault', 'fault ACTION KIND'],
    ['fault CreateVpc error --status x', '--status'],
    ['set', 'latency=50'],
    ['set colour=red', 'colour=red'],
    ['set throttling=on', 'throttling'],
    ['changes --after x', '--after'],
    ['down --file x', '--file'],
    ['state --endpoint nowhere', 'nowhere'],
    ['up --lisen x', '--lisen'],
    ['up extra', 'extra'],
    ['up --listen 4566', 'HOST:PORT'],
    ['up --listen 127.0.0.1:70000', 'HOST:PORT'],
    ['up --instance i-1', '--metadata'],
    ['up --seed x', '--seed'],
    ['up --region EU', '--region'],
  ])('refuses "%s"', (line, named) => {
    const words = line.split(' ').filter((word) => word !== '');
    expect(() => parseCommandLine(words)).toThrow(UsageError);
    expect(() => parseCommandLine(words)).toThrow(named);
  });

  it('serves in front of another endpoint without a further word', () => {
    expect(parseCommandLine(['--behind', 'http://127.0.0.1:4566'])).toMatchObject({
      kind: 'up',
      behind: 'http://127.0.0.1:4566',
    });
  });

  it('reads faults and switches', () => {
    const asked = (line: string) => parseCommandLine(line.split(' '));
    expect(asked('fault CreateVpc error --code X --status 500 --times always')).toMatchObject({
      what: { kind: 'arm', fault: { action: 'CreateVpc', kind: 'error', code: 'X', status: 500, times: 'always' } },
    });
    expect(asked('fault list')).toMatchObject({ what: { kind: 'faults' } });
    expect(asked('set latency=5 throttling=off')).toMatchObject({
      what: { switches: { latency: 5, throttling: null } },
    });
  });

  it('finds the cloud that is meant', () => {
    const endpoint = (line: string[], environment: NodeJS.ProcessEnv) => parseCommandLine(line, environment);
    const both = { WELLSPRING_CLOUD_ENDPOINT: 'http://a:1', AWS_ENDPOINT_URL_EC2: 'http://b:2' };
    expect(endpoint(['state', '--endpoint', 'http://c:3/'], both)).toMatchObject({ endpoint: 'http://c:3' });
    expect(endpoint(['state'], both)).toMatchObject({ endpoint: 'http://a:1' });
    expect(endpoint(['state'], { AWS_ENDPOINT_URL_EC2: 'http://b:2' })).toMatchObject({ endpoint: 'http://b:2' });
    expect(endpoint(['state'], {})).toMatchObject({ endpoint: 'http://127.0.0.1:4566' });
  });
});
