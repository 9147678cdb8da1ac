export { postWebhook } from "../bench/webhooks";
