window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({ url: "/schema/openapi.json", dom_id: "#schema", deepLinking: true, validatorUrl: null });
});
