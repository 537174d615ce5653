// All tests in one process, so that they share one service.
import "./follow.test.js";
import "./lists.test.js";
import "./once.test.js";
import "./problem.test.js";
import "./session.test.js";
import "./stream.test.js";
import "./webhook.test.js";
