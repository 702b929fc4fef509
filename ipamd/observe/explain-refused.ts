/** A question that cannot be answered as it was asked: what is wrong, why, and what to do instead. */

export interface Refusal {
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}

/** Thrown by a route; answered with the HTTP status and the three sentences. */
export class QuestionRefused extends Error {
  readonly status: 400 | 404;
  readonly refusal: Refusal;
  /** What else the answer holds. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: 400 | 404, refusal: Refusal, details: Readonly<Record<string, unknown>> = {}) {
    super(`${refusal.what}: ${refusal.why}`);
    this.name = 'QuestionRefused';
    this.status = status;
    this.refusal = refusal;
    this.details = details;
  }
}
