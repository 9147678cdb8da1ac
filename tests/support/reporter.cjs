// mocha's spec reporter with the closing line that CI reads: "N passed, N failed, N skipped", reasons above it.
"use strict";
const { reporters, Runner } = require("mocha");

module.exports = class Reporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    runner.on(Runner.constants.EVENT_TEST_PENDING, (test) => {
      skipped.push(`${test.fullTitle()}: ${test.skipReason ?? test.ctx?.skipReason ?? "no reason given"}`);
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      this.closing = () => {
        for (const line of skipped) process.stdout.write(`skipped: ${line}\n`);
        const { passes = 0, failures = 0 } = runner.stats;
        process.stdout.write(`${passes} passed, ${failures} failed, ${skipped.length} skipped\n`);
      };
    });
  }

  // Called once everything (root hooks included) is over: nothing may print after the closing line.
  done(failures, callback) {
    this.closing?.();
    callback(failures);
  }
};
