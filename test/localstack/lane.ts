/** What the lane tells its tests, through their environment. */

export interface LaneSettings {
  /** Names what this run makes. */
  readonly run: string;
  /** Where EC2 itself is asked: the subnet whose zone the suite works in. */
  readonly realSubnet: string | undefined;
  /** How long what was written there may take until it is read. */
  readonly settleMs: number;
  /** The LocalStack behind the emulator, where the endpoint is the emulator's. */
  readonly behind: string | undefined;
}

const RUN = 'WELLSPRING_LANE_RUN';
const REAL_SUBNET = 'WELLSPRING_LANE_REAL_SUBNET';
const SETTLE_MS = 'WELLSPRING_LANE_SETTLE_MS';
/** The lane's jest.config.mjs reads it, too. */
const BEHIND = 'WELLSPRING_LANE_BEHIND';

export function laneEnvironment({ run, realSubnet, settleMs, behind }: LaneSettings): Readonly<Record<string, string>> {
  return {
    [RUN]: run,
    [SETTLE_MS]: String(settleMs),
    ...(realSubnet !== undefined && { [REAL_SUBNET]: realSubnet }),
    ...(behind !== undefined && { [BEHIND]: behind }),
  };
}

/** Throws outside of the lane, which alone says which cloud is meant. */
export function laneSettings(environment: NodeJS.ProcessEnv = process.env): LaneSettings {
  const run = environment[RUN];
  if (run === undefined) throw new Error('these tests are run by npm run test:localstack');
  const settleMs = Number(environment[SETTLE_MS] ?? 0);
  return { run, realSubnet: environment[REAL_SUBNET], settleMs, behind: environment[BEHIND] };
}
