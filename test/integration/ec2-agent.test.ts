/** The process that makes the EC2 calls: when it lives, and what becomes of calls when it does not. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Ec2Agent, type Ec2AgentOptions } from '#cloud/aws/agent/ec2-agent.ts';
import { type Cloud, startCloud } from '#cloud/emulator/cloud.ts';
import { until } from '#test/support/until.ts';
import { bareEnvironment } from '#test/support/bare-environment.ts';

const CAUSE = { cause: 'test' };
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' };
const environment = { ...bareEnvironment(), ...KEYS };

let cloud: Cloud;
beforeAll(async () => {
  cloud = await startCloud();
});
afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
});

const agentFor = (more: Partial<Ec2AgentOptions> = {}): Ec2Agent =>
  new Ec2Agent({ region: 'us-east-1', endpoint: cloud.endpoint, version: '0', environment, ...more });
const lives = (pid: number | undefined): boolean => pid !== undefined && existsSync(`/proc/${pid}`);
const ec2Calls = (): number => cloud.calls().length;

describe('the EC2 agent', () => {
  it('is there while there is something to ask, and for a while after', async () => {
    await using agent = agentFor({ idleMs: 3000 });
    expect(agent.pid).toBeUndefined();
    await agent.provider.describeSubnets({}, CAUSE);
    const { pid } = agent;
    expect(lives(pid)).toBe(true);
    await agent.provider.describeSubnets({}, CAUSE);
    expect(agent.pid).toBe(pid);
    await until('the process is gone', 5000, () => !lives(pid));
    expect(agent.pid).toBeUndefined();
    expect(await agent.provider.describeSubnets({}, CAUSE)).toEqual([]);
    expect(lives(agent.pid)).toBe(true);
  });

  it('can be had ready before the first call, and ends if none comes', async () => {
    await using agent = agentFor({ idleMs: 3000 });
    agent.prepare();
    const { pid } = agent;
    expect(lives(pid)).toBe(true);
    agent.prepare();
    expect(agent.pid).toBe(pid);
    await until('the process is gone', 5000, () => !lives(pid));
  });

  it('does not end in the middle of a call that takes longer than it idles', async () => {
    await using agent = agentFor({ idleMs: 50 });
    cloud.failNext('DescribeSubnets', { kind: 'delay', delayMs: 600 });
    expect(await agent.provider.describeSubnets({}, CAUSE)).toEqual([]);
  });

  it('that dies leaves its calls unavailable; the next call starts another', async () => {
    await using agent = agentFor();
    await agent.provider.describeSubnets({}, CAUSE);
    cloud.failNext('DescribeSubnets', { kind: 'delay', delayMs: 60_000 });
    const before = ec2Calls();
    const call = agent.provider.describeSubnets({}, CAUSE).catch((error: unknown) => error);
    await until('the call has arrived', 5000, () => cloud.pendingFaults().length === 0);
    const dead = agent.pid ?? 0;
    process.kill(dead, 'SIGKILL');
    expect(await call).toMatchObject({
      name: 'CloudError',
      code: 'unavailable',
      operation: 'DescribeSubnets',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(await agent.provider.describeSubnets({}, CAUSE)).toEqual([]);
    expect(agent.pid).not.toBe(dead);
    expect(ec2Calls()).toBeGreaterThan(before);
  });

  it('passes a signal on, so that the call is given up on the wire', async () => {
    await using agent = agentFor();
    cloud.failNext('DescribeSubnets', { kind: 'delay', delayMs: 60_000 });
    const before = ec2Calls();
    const caller = new AbortController();
    const call = agent.provider
      .describeSubnets({}, { ...CAUSE, signal: caller.signal })
      .catch((error: unknown) => error);
    await until('the call has arrived', 5000, () => cloud.pendingFaults().length === 0);
    caller.abort(new Error('stopping'));
    expect(await call).toMatchObject({ code: 'aborted', message: expect.stringContaining('stopping') });
    // The emulator ends a delayed call when its connection is gone.
    await until('the connection is gone', 5000, () => ec2Calls() > before);
  });

  it('has ended when it is disposed of, and its calls are aborted', async () => {
    const agent = agentFor();
    cloud.failNext('DescribeSubnets', { kind: 'delay', delayMs: 60_000 });
    const call = agent.provider.describeSubnets({}, CAUSE).catch((error: unknown) => error);
    await until('the call has arrived', 5000, () => cloud.pendingFaults().length === 0);
    const { pid } = agent;
    await agent[Symbol.asyncDispose]();
    expect(lives(pid)).toBe(false);
    expect(await call).toMatchObject({ code: 'aborted' });
    await expect(agent.provider.describeSubnets({}, CAUSE)).rejects.toMatchObject({ code: 'aborted' });
  });

  it('asks nothing for a call that was given up before', async () => {
    await using agent = agentFor();
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(agent.provider.describeSubnets({}, { ...CAUSE, signal })).rejects.toMatchObject({ code: 'aborted' });
    expect(agent.pid).toBeUndefined();
  });

  it('does not outlive who started it, however that ended', async () => {
    const program = `
      import { Ec2Agent } from ${JSON.stringify(new URL('../../cloud/aws/agent/ec2-agent.ts', import.meta.url).href)};
      const agent = new Ec2Agent({ region: 'us-east-1', endpoint: ${JSON.stringify(cloud.endpoint)}, version: '0' });
      await agent.provider.describeSubnets({}, { cause: 'test' });
      console.log(agent.pid);
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: environment,
    });
    const pid = Number(await firstLine(parent));
    expect(lives(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until('the agent is gone', 5000, () => !lives(pid));
  });
});

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.includes('\n')) resolve(text.trim());
    });
    child.once('close', () => reject(new Error('it ended without a word')));
  });
}
