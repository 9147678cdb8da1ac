export { Addresses } from "./addresses";
