/** The lookup that `trace` makes on paper against the kernel's own (RTM_GETROUTE), for any rules, tables and packets. */
import { execFileSync } from 'node:child_process';
import { afterEach, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { askRoute, hostKernel } from '#ipamd/check-node/collect/kernel.ts';
import { lookUp } from '#ipamd/check-node/trace/fib.ts';
import { openKernel } from '#ipamd/datapath/kernel.ts';
import { describeWith } from '#test/support/require.ts';

const LINKS = ['l0', 'l1', 'l2'];
const TABLES = [10, 11, 12, 254];
const NETNS = `wsfib${process.pid}`;

const ip = (...args: readonly string[]) =>
  execFileSync('ip', ['-n', NETNS, ...args], { stdio: 'pipe', encoding: 'utf8' });
const batch = (lines: readonly string[]) =>
  execFileSync('ip', ['-n', NETNS, '-batch', '-'], { input: lines.join('\n'), stdio: 'pipe' });

/** Few addresses, so that prefixes meet them. */
const address = fc.tuple(fc.nat(1), fc.nat(3), fc.integer({ min: 1, max: 6 })).map(([a, b, c]) => `10.${a}.${b}.${c}`);
const prefix = fc.tuple(address, fc.constantFrom(8, 15, 16, 22, 24, 30, 32)).map(([one, length]) => {
  const number = one.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const masked = Math.floor(number / 2 ** (32 - length)) * 2 ** (32 - length);
  return `${[24, 16, 8, 0].map((shift) => Math.floor(masked / 2 ** shift) % 256).join('.')}/${length}`;
});
const mark = fc.nat(3);

const route = fc.record({
  type: fc.constantFrom('', '', '', '', 'blackhole', 'unreachable', 'prohibit', 'throw'),
  to: fc.oneof(prefix, fc.constant('0.0.0.0/0')),
  link: fc.constantFrom(...LINKS),
  table: fc.constantFrom(...TABLES),
  metric: fc.nat(2),
});
const rule = fc.record({
  priority: fc.integer({ min: 1, max: 30 }),
  not: fc.boolean(),
  from: fc.option(prefix),
  to: fc.option(prefix),
  mark: fc.option(fc.tuple(mark, fc.constantFrom(1, 2, 3))),
  iif: fc.option(fc.constantFrom(...LINKS, 'lo', 'gone')),
  does: fc.oneof(
    fc.constantFrom(...TABLES).map((table) => `lookup ${table}`),
    fc.constantFrom(...TABLES).map((table) => `lookup ${table} suppress_prefixlength 16`),
    fc.constantFrom('blackhole', 'unreachable', 'prohibit'),
  ),
});
const packet = fc.record({ source: address, destination: address, mark, inLink: fc.constantFrom(...LINKS) });

describeWith(['root', 'ip'], 'trace: lookups', () => {
  afterEach(() => void execFileSync('ip', ['netns', 'del', NETNS]));

  it('on paper and in the kernel lead to the same route', async () => {
    execFileSync('ip', ['netns', 'add', NETNS]);
    for (const link of LINKS) {
      ip('link', 'add', link, 'type', 'veth', 'peer', 'name', `p${link}`);
      ip('link', 'set', link, 'up');
      ip('link', 'set', `p${link}`, 'up');
    }
    ip('link', 'set', 'lo', 'up');
    ip('addr', 'add', '10.9.9.9/32', 'dev', 'l0');
    const sysctls = 'echo 1 >ip_forward; for f in conf/*/rp_filter; do echo 0 >$f; done';
    execFileSync('ip', ['netns', 'exec', NETNS, 'sh', '-c', `cd /proc/sys/net/ipv4; ${sysctls}`]);
    using kernel = await openKernel({ hostNetns: `/var/run/netns/${NETNS}` });
    let reached = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 8 }),
        fc.array(route, { maxLength: 14 }),
        fc.array(packet, { minLength: 40, maxLength: 40 }),
        (rules, routes, packets) => {
          batch([
            'rule flush',
            'rule add pref 32766 lookup main',
            ...TABLES.map((table) => `route flush table ${table}`),
            // Only one rule of a kind may be there; those that are there twice are the first of them.
            ...new Set(rules.map(ruleLine)),
            ...routes.map(
              ({ type, to, link, table, metric }) =>
                `route replace ${type} ${to} ${type === '' ? `dev ${link}` : ''} table ${table} metric ${metric}`,
            ),
          ]);
          const facts = hostKernel(kernel);
          for (const { source, destination, mark: value, inLink } of packets) {
            const index = facts.links.find(({ name }) => name === inLink)?.index ?? 0;
            const said = askRoute(kernel.route, { source, destination, inLink: index, mark: value });
            const found = lookUp(facts, { source, destination, inInterface: inLink, mark: value });
            if (found.kind === 'refused') {
              refused += 1;
              expect(said).toEqual({ refused: expect.stringMatching(/EHOSTUNREACH|ENETUNREACH|EINVAL|EACCES/) });
              continue;
            }
            reached += 1;
            expect(said).toMatchObject({
              route: { table: found.route.table, link: found.route.link, type: found.route.type },
            });
          }
        },
      ),
      // A smaller example would cost a process each.
      { numRuns: 25, endOnFailure: true },
    );
    expect(Math.min(reached, refused)).toBeGreaterThan(0);
  });
});

function ruleLine({
  priority,
  not,
  from,
  to,
  mark: marked,
  iif,
  does,
}: typeof rule extends fc.Arbitrary<infer T> ? T : never): string {
  const parts = [
    not ? 'not' : '',
    from === null ? '' : `from ${from}`,
    to === null ? '' : `to ${to}`,
    marked === null ? '' : `fwmark ${marked[0]}/${marked[1]}`,
    iif === null ? '' : `iif ${iif}`,
  ];
  return `rule add ${parts.filter(Boolean).join(' ')} pref ${priority} ${does}`;
}
