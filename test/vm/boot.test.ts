/** What the other tests of this lane rest on: another kernel, with what this machine's own one lacks. */
import { expect, it } from '@jest/globals';
import { release } from 'node:os';
import { runCommand } from '#test/support/command.ts';

it('runs on a Debian kernel', () => {
  expect(release()).toMatch(/^\d+\.\d+\.\d+\+deb\d+-cloud-amd64$/);
});

it('carries packets over a VLAN link', async () => {
  await runCommand('bash', [
    '-c',
    `set -e
    ip netns add w-vlan-a; ip netns add w-vlan-b
    trap 'ip netns del w-vlan-a; ip netns del w-vlan-b' EXIT
    ip -n w-vlan-a link add up0 type veth peer name up0 netns w-vlan-b
    for end in a b; do
      ip -n w-vlan-$end link set up0 up
      ip -n w-vlan-$end link add link up0 name vlan.7 type vlan id 7
      ip -n w-vlan-$end link set vlan.7 up
    done
    ip -n w-vlan-a address add 192.0.2.1/24 dev vlan.7
    ip -n w-vlan-b address add 192.0.2.2/24 dev vlan.7
    ip netns exec w-vlan-a ping -c 1 -W 5 192.0.2.2`,
  ]);
});
