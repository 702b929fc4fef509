import type { Ec2Action, InputOf, OutputOf } from './ec2-actions.ts';
import { History } from './history.ts';
import type { Describe } from './metadata/subject.ts';
import type { Region, VpcState } from './region.ts';

/** What a region was a while ago, for reads that EC2 answers from a copy that lags behind. */
export class RegionPast implements Disposable {
  readonly #region: Region;
  readonly #history: History<VpcState>;
  readonly #stop: () => void;

  /** `reachMs` says how far back may be asked for at present; older states are let go. */
  constructor(region: Region, now: () => number, reachMs: () => number) {
    this.#region = region;
    this.#history = new History(region.state, now, reachMs);
    this.#stop = region.onChange(() => this.#history.push(region.state));
  }

  /** Reads with a lag that is asked for anew at each read; 0 is the present. */
  describe(lagMs: () => number): Describe {
    return <A extends Ec2Action>(action: A, input: InputOf<A>): OutputOf<A> => {
      const lag = lagMs();
      if (lag === 0) return this.#region.execute(action, input);
      return this.#region.executeOn(this.#history.ago(lag), action, input);
    };
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
